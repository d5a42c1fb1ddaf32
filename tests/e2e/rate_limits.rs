//! Rate limits. The key of these tests has 3 writes and 5 reads a minute, and no other test uses it.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{ApiResponse, Rate, Stack, eventually};

/// A write that does nothing and counts like any other.
async fn write(stack: &Stack) -> ApiResponse {
    stack.limited.post("/api/flows", &json!({})).await
}

fn rate(answer: &ApiResponse) -> Rate {
    answer.rate().unwrap_or_else(|| panic!("no headers: {}", answer.body))
}

#[tokio::test]
async fn a_key_is_limited_to_its_number_of_calls_per_minute() {
    let stack = Stack::shared();
    // Begins with a new minute, because an earlier run of this test may have used up the present one.
    let first = eventually("a minute that nothing was counted in", async || {
        let answer = write(&stack).await;
        (rate(&answer).remaining == 2).then_some(answer)
    })
    .await;
    let mut answers = vec![first];
    answers.extend(join_all((0..12).map(|_| write(&stack))).await);

    // A new minute may have begun meanwhile; the limit is exact in each minute.
    let mut minutes: BTreeMap<u64, Vec<&ApiResponse>> = BTreeMap::new();
    for answer in &answers {
        minutes.entry(rate(answer).reset).or_default().push(answer);
    }
    for (reset, answers) in minutes {
        assert_eq!(reset % 60, 0);
        let (admitted, refused): (Vec<&ApiResponse>, Vec<&ApiResponse>) = answers.iter().partition(|answer| answer.status == 400);
        assert_eq!(admitted.len(), answers.len().min(3), "{answers:?}");
        let mut left: Vec<u64> = admitted.iter().map(|answer| rate(answer).remaining).collect();
        left.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(left, [2, 1, 0][..admitted.len()]);
        for answer in refused {
            assert_eq!(answer.error(429), "rate limit exceeded");
            assert_eq!(answer.body, json!({"error": "rate limit exceeded", "bucket": "flows.write", "limit": 3}));
            assert_eq!(rate(answer), Rate { limit: 3, remaining: 0, reset });
            let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=60).contains(&wait), "{wait}");
        }
    }

    // Reads are counted apart from writes, also those of other functions.
    let read = stack.limited.get("/api/flows").await;
    read.data(200);
    assert_eq!(rate(&read).limit, 5);
    assert_eq!(rate(&stack.limited.get("/api/approvals").await).limit, 5);
}

#[tokio::test]
async fn functions_share_one_counter() {
    let stack = Stack::shared();
    // `runs.read` is the bucket of these three, and each is a function of its own.
    let paths = ["/api/approvals", "/api/flows/no-such-flow/runs", "/api/runs/run_1"];
    let before = rate(&stack.grace.get("/api/approvals").await);
    let after: Vec<Rate> = join_all(paths.map(|path| stack.grace.get(path))).await.iter().map(rate).collect();
    for (path, after) in paths.iter().zip(&after) {
        assert_eq!(after.limit, before.limit, "{path}");
        assert!(after.remaining < before.remaining || after.reset > before.reset, "{path}: {before:?}, then {after:?}");
    }
    let mut left: Vec<(u64, u64)> = after.iter().map(|rate| (rate.reset, rate.remaining)).collect();
    left.sort_unstable();
    left.dedup();
    assert_eq!(left.len(), 3, "no two requests are given the same count: {after:?}");
}
