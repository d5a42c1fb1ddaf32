//! The clock starts flows: each due time once, whatever goes wrong.

use domain::flow::{CronTrigger, Flow, FlowStatus, FlowTrigger};
use domain::ports::{Clock, FlowName, Flows, Runs};
use domain::run::{RunStatus, Trigger};
use domain::step::Payload;
use domain::time::Time;
use engine::Ticked;
use futures_util::future::join_all;
use serde_json::json;
use testkit::build::{Maker, actor, at, chain};
use testkit::{Deployment, Fate, Stage, block_on};

/// Every quarter of an hour, from a quarter past on.
fn quarterly(next: u64) -> FlowTrigger {
    FlowTrigger::Cron(CronTrigger {
        expression: "*/15 * * * *".to_owned(),
        timezone: "UTC".to_owned(),
        enabled: true,
        next_run_at: Some(at(next)),
        last_run_at: None,
    })
}

/// A world whose flow is due a quarter past.
fn world() -> Deployment {
    let mut world = Deployment::of(&chain(1));
    let flow = Flow { trigger: quarterly(900), ..world.flow.clone() };
    block_on(&world.clock, world.store.update_flow(&world.flow, &flow, None)).unwrap();
    world.flow = flow;
    world
}

/// A tick, to its end or its crash.
fn tick(world: &Deployment) -> Option<Result<Ticked, domain::ports::PortError>> {
    let stop_at = world.clock.now().plus_seconds(50);
    world.call(world.scheduler.tick(&world.entropy, stop_at))
}

fn ticked(world: &Deployment) -> Ticked {
    tick(world).unwrap().unwrap()
}

fn schedule(world: &Deployment) -> (Option<Time>, Option<Time>) {
    let flow = block_on(&world.clock, world.store.flow(&world.org, &FlowName::Id(world.flow.id))).unwrap().unwrap();
    let cron = flow.trigger.cron().unwrap();
    (cron.next_run_at, cron.last_run_at)
}

/// For which due times there are runs, in order of their creation.
fn due_times(world: &Deployment) -> Vec<serde_json::Value> {
    let mut runs = world.store.all_runs();
    runs.sort_by_key(|run| run.started_at);
    let input = |run| match block_on(&world.clock, world.store.input(run)).unwrap() {
        Payload::Inline(value) => value["scheduledAt"].clone(),
        other @ Payload::Stored(_) => panic!("{other:?}"),
    };
    runs.iter().map(input).collect()
}

#[test]
fn a_flow_that_is_due_runs_and_is_due_again_later() {
    let world = world();
    world.clock.set(at(899));
    assert_eq!(ticked(&world), Ticked::default());
    world.clock.set(at(900));
    assert_eq!(ticked(&world), Ticked { created: 1, ..Ticked::default() });
    assert_eq!(schedule(&world), (Some(at(1_800)), Some(at(900))));
    assert_eq!(due_times(&world), [json!(at(900))]);
    let run = &world.store.all_runs()[0];
    assert_eq!((run.trigger, run.started_by.as_str(), run.flow_version), (Trigger::Cron, "trigger:cron", 1));
    assert_eq!(world.play_to_end(run.id).status, RunStatus::Succeeded);
    // Ticks that come again, and again.
    for second in [900, 901, 1_799] {
        world.clock.set(at(second));
        assert_eq!(ticked(&world), Ticked::default());
    }
    world.clock.set(at(1_800));
    ticked(&world);
    assert_eq!(due_times(&world), [json!(at(900)), json!(at(1_800))]);
}

#[test]
fn after_an_outage_the_latest_time_that_was_missed_runs_once() {
    let world = world();
    world.clock.set(at(3 * 3_600 + 100));
    ticked(&world);
    ticked(&world);
    assert_eq!(due_times(&world), [json!(at(3 * 3_600))]);
    assert_eq!(schedule(&world), (Some(at(3 * 3_600 + 900)), Some(at(3 * 3_600))));
}

#[test]
fn of_many_ticks_at_the_same_time_one_starts_the_flow() {
    let world = world();
    world.clock.set(at(905));
    world.faults.pause_at_every_call(true);
    let ticks = (0..64).map(|_| world.scheduler.tick(&world.entropy, at(950)));
    let all = world.call(join_all(ticks)).unwrap();
    let created: usize = all.into_iter().map(|ticked| ticked.unwrap().created).sum();
    assert_eq!((created, due_times(&world)), (1, vec![json!(at(900))]));
}

/// Whatever call of a tick goes wrong, and however: the ticks that follow see to it that the due time has one run, and the run comes to
/// its end.
#[test]
fn a_tick_that_is_cut_short_anywhere_loses_nothing_and_repeats_nothing() {
    for fate in [Fate::FailBefore, Fate::LoseAnswer, Fate::Twice, Fate::CrashBefore, Fate::CrashAfter] {
        for nth in 1..=6 {
            let world = world();
            world.clock.set(at(900));
            world.faults.strike(nth, fate);
            _ = tick(&world);
            world.faults.clear();
            world.clock.set(at(960));
            tick(&world).unwrap().unwrap();
            assert_eq!(due_times(&world), [json!(at(900))], "{fate:?} of call {nth}");
            let run = world.store.all_runs()[0].id;
            assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded, "{fate:?} of call {nth}");
            assert_eq!(world.effects.sent().len(), 1, "{fate:?} of call {nth}");
            assert_eq!(schedule(&world), (Some(at(1_800)), Some(at(900))), "{fate:?} of call {nth}");
        }
    }
}

#[test]
fn an_edit_just_before_the_run_is_created_counts() {
    for paused in [true, false] {
        let world = world();
        world.clock.set(at(900));
        let (editor, before) = (world.clone(), world.flow.clone());
        world.faults.just_before("create_due", 1, move || {
            let trigger = FlowTrigger::Cron(CronTrigger { next_run_at: None, ..before.trigger.cron().unwrap().clone() });
            let changed = Flow { updated_at: at(900), ..before.clone() };
            let after = if paused { Flow { status: FlowStatus::Paused, trigger, ..changed } } else { changed };
            block_on(&editor.clock, editor.store.update_flow(&before, &after, None)).unwrap();
        });
        let created = ticked(&world).created;
        assert_eq!(created, usize::from(!paused), "a paused flow does not run, and a renamed one does");
        assert_eq!(world.store.all_runs().len(), created);
    }
}

fn many(world: &Deployment, flows: usize) {
    let maker = Maker::new(9);
    for number in 0..flows {
        let (flow, version) = maker.flow(world.org, &format!("many-{number}"), chain(1), at(0));
        let flow = Flow { trigger: quarterly(900), ..flow };
        block_on(&world.clock, world.store.create_flow(&flow, &version)).unwrap();
    }
}

#[test]
fn one_flow_that_cannot_be_started_does_not_hold_up_the_others() {
    let world = world();
    many(&world, 100);
    world.clock.set(at(900));
    world.faults.strike_call("create_due", 7, Fate::FailBefore);
    assert_eq!(ticked(&world), Ticked { created: 100, failed: 1, ..Ticked::default() });
    world.faults.clear();
    assert_eq!(ticked(&world), Ticked { created: 1, ..Ticked::default() });
    assert_eq!(world.store.all_runs().len(), 101);
}

#[test]
fn what_there_is_no_time_for_the_next_tick_does() {
    let world = world();
    many(&world, 200);
    world.clock.set(at(900));
    // Every look at the clock takes a millisecond, so that the time is up in the middle.
    world.clock.tick_when_read();
    let stop_at = world.clock.now().plus_millis(150);
    let first = world.call(world.scheduler.tick(&world.entropy, stop_at)).unwrap().unwrap();
    assert!(first.left > 0 && first.created > 0, "{first:?}");
    assert_eq!(first.created + first.left, 201);
    assert_eq!(ticked(&world).created, first.left);
    assert_eq!(world.store.all_runs().len(), 201);
}

#[test]
fn executions_that_are_refused_are_started_again_in_the_same_tick() {
    let world = world();
    many(&world, 60);
    world.clock.set(at(900));
    // As Step Functions does with too many at once: it takes twenty in a second.
    let (clock, mut taken, mut second) = (world.clock.clone(), 0, 0);
    world.faults.decide(move |call| {
        if call.name != "start" {
            return Fate::Pass;
        }
        if clock.now().seconds() != second {
            (second, taken) = (clock.now().seconds(), 0);
        }
        taken += 1;
        if taken > 20 { Fate::FailBefore } else { Fate::Pass }
    });
    assert_eq!(ticked(&world), Ticked { created: 61, ..Ticked::default() });
    assert_eq!(world.executions.all().len(), 61);
    assert!(world.executions.all().iter().all(|execution| execution.stage == Stage::Advance(0)));
    // No execution is taken: their starts stay pending, and `reconcile` finds them.
    let world = self::world();
    world.clock.set(at(900));
    world.faults.decide(|call| if call.name == "start" { Fate::FailBefore } else { Fate::Pass });
    assert_eq!(ticked(&world), Ticked { created: 1, pending: 1, ..Ticked::default() });
    world.faults.clear();
    assert_eq!(world.reconcile().unwrap(), 1);
    assert_eq!(world.executions.all().len(), 1);
}

#[test]
fn a_run_of_the_clock_knows_who_last_changed_the_schedule() {
    let world = world();
    let mut changed = world.flow.clone();
    changed.trigger = quarterly(900);
    changed.trigger_changed_by = Some(actor("usr_ada").recorded());
    block_on(&world.clock, world.store.update_flow(&world.flow, &changed, None)).unwrap();
    world.clock.set(at(900));
    assert_eq!(ticked(&world).created, 1);
    let run = world.store.all_runs().remove(0);
    assert_eq!((run.trigger_changers, run.started_by.as_str()), (["usr_ada".to_owned()].into(), "trigger:cron"));
    // Moving the schedule on changes nothing of it.
    let flow = block_on(&world.clock, world.store.flow(&world.org, &FlowName::Id(world.flow.id))).unwrap().unwrap();
    assert_eq!(flow.trigger_changed_by, changed.trigger_changed_by);
}
