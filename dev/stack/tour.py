"""The commands that `make run` prints at its end; they work when pasted as they are."""

from collections.abc import Mapping

from .console import bold, dim, say
from .settings import Settings


def print_tour(env: Mapping[str, str], settings: Settings) -> None:
    """Prints commands that save, run and approve a flow on the stack that is serving."""
    base, key = env["QE_BASE_URL"], env["QE_API_KEY"]
    say()
    say(f"The console for reviewers: {bold(f'{base}/console/')}")
    say()
    say(bold("The stack is serving. In another terminal:"))
    say(
        f"""
  export QE_BASE_URL={base}
  export QE_API_KEY={key}

  {dim("# save a flow: a person decides, then the echo service is called")}
  curl -sS "$QE_BASE_URL/api/flows" -H "Authorization: Bearer $QE_API_KEY" -H 'Content-Type: application/json' -d '{{
    "slug": "hello-approval", "name": "Hello approval", "description": "A first flow", "status": "active", "triggerType": "api",
    "spec": {{
      "startNodeId": "review",
      "nodes": [
        {{"id": "review", "type": "human_approval", "actionLabel": "Greet", "proposedAction": {{"greeting": "Hello ${{trigger.name}}"}}}},
        {{"id": "send", "type": "service_call", "service": "custom:echo", "method": "POST", "path": "/greetings",
         "body": "${{step.review.output.proposedAction}}"}}
      ],
      "edges": [{{"from": "review", "to": "send"}}]
    }}
  }}'; echo

  {dim("# run it, and keep the id of the run; it soon waits for you")}
  RUN=$(curl -sS "$QE_BASE_URL/api/flows/hello-approval/execute" -H "Authorization: Bearer $QE_API_KEY" \\
    -H 'Content-Type: application/json' -d '{{"name": "Maria"}}' | grep -o 'run_[0-9A-Z]*' | head -n 1); sleep 2; echo "$RUN"
  curl -sS "$QE_BASE_URL/api/runs/$RUN" -H "Authorization: Bearer $QE_API_KEY"; echo
  curl -sS "$QE_BASE_URL/api/approvals" -H "Authorization: Bearer $QE_API_KEY"; echo

  {dim("# approve it with an edit, and look again: the record keeps both")}
  curl -sS "$QE_BASE_URL/api/runs/$RUN/approve" -H "Authorization: Bearer $QE_API_KEY" -H 'Content-Type: application/json' \\
    -d '{{"proposedActionOverride": {{"greeting": "Good morning Maria"}}, "note": "friendlier"}}'; echo; sleep 2
  curl -sS "$QE_BASE_URL/api/runs/$RUN" -H "Authorization: Bearer $QE_API_KEY"; echo
  curl -sS "{env["QE_ECHO_URL"]}/_requests?path=/greetings"; echo
"""
    )
    say(f"Keys of the other actors: {settings.dev_dir_name}/env. Logs: {settings.dev_dir_name}/*.log. Inside: dev/README.md.")
    say(bold("Ctrl-C stops all of it."))
