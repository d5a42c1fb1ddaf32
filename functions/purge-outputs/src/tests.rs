use serde_json::Value;

use super::*;

fn read(sample: &str, change: impl FnOnce(&mut Value)) -> Option<Work> {
    let mut sample: Value = serde_json::from_str(sample).unwrap();
    change(&mut sample["Records"][0]);
    let mut records = batch::read(serde_json::from_value(sample).unwrap());
    work(&mut records.next().unwrap()).unwrap()
}

const EXPIRED: &str = include_str!("../../../events/purge-outputs/a-step-expired.json");
const LATE: &str = include_str!("../../../events/purge-outputs/a-run-ended-after-four-days.json");

#[test]
fn a_record_that_ttl_deleted_becomes_its_receipt() {
    let Some(Work::Expired(receipt)) = read(EXPIRED, |_| {}) else { panic!("there is nothing to do") };
    let purged = receipt.purged.unwrap();
    assert_eq!((purged.at.to_string(), receipt.node.as_str()), ("2027-05-24T00:22:29.000Z".to_owned(), "draft"));
    assert_eq!(purged.output.map(|gone| (gone.bytes, gone.stored)), Some((204_811, true)));
    assert!(receipt.output.is_none() && receipt.input.is_none());
}

#[test]
fn a_run_that_ended_late_is_rescheduled() {
    let Some(Work::EndedLate(run)) = read(LATE, |_| {}) else { panic!("there is nothing to do") };
    assert_eq!(run.to_string(), "run_01M85EXE14SECWM1TBH3987TR1");
}

#[test]
fn every_other_record_is_left_out() {
    let by_hand = |record: &mut Value| record["userIdentity"] = Value::Null;
    assert!(read(EXPIRED, by_hand).is_none(), "it was not deleted by TTL");
    assert!(read(EXPIRED, |record| record["dynamodb"]["Keys"]["sk"]["S"] = "IDEMPOTENCY".into()).is_none());
    let in_time = |record: &mut Value| _ = record["dynamodb"]["NewImage"].as_object_mut().unwrap().remove("lastedDays");
    assert!(read(LATE, in_time).is_none());
}
