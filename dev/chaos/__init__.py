"""`make chaos`: runs under load on the local stack with the real binaries, while everything around them fails.

| module | what it has |
|---|---|
| `options.py` | the parameters and the faults that there are |
| `flow.py` | the flow of every run, and the bytes that its steps must send |
| `site.py` | the service, the model and the webhook endpoint, which fail, and which record what reached them |
| `load.py` | the caller: starts runs, decides their approvals, reads how they ended |
| `faults.py` | kills functions, runs ticks twice, makes executions disappear |
| `accounting.py` | what was lost, doubled, stuck or wrong: a pure function of what was recorded |
| `sabotage.py` | proves on the same records that the accounting notices an effect that is lost, doubled or altered |

The troubles last for some seconds; then they stop, and everything must end by itself. Only the troubles come from the seed: the
order in which processes meet them is that of the machine.
"""
