//! The names of executions say which segment of which run they drive.

use std::str::FromStr;

use domain::id::RunId;

/// `<runId>-<n>`, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentName {
    /// The run.
    pub run: RunId,
    /// The segment, counted from 1.
    pub segment: u32,
}

/// The execution is none of ours.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not the name of a segment: `<runId>-<n>`")]
pub struct BadSegmentName(String);

impl FromStr for SegmentName {
    type Err = BadSegmentName;

    fn from_str(text: &str) -> Result<Self, BadSegmentName> {
        let bad = || BadSegmentName(text.to_owned());
        let (run, segment) = text.rsplit_once('-').ok_or_else(bad)?;
        let run = run.parse().map_err(|_| bad())?;
        let segment = segment.parse().ok().filter(|segment| *segment > 0).ok_or_else(bad)?;
        Ok(Self { run, segment })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::time::Time;

    #[test]
    fn a_segment_is_named_after_its_run_and_number() {
        let run = RunId::new(Time::from_millis(1_700_000_000_000), 9);
        assert_eq!(format!("{run}-12").parse(), Ok(SegmentName { run, segment: 12 }));
        for bad in [format!("{run}"), format!("{run}-0"), format!("{run}-x"), "run-1".to_owned(), String::new()] {
            assert!(bad.parse::<SegmentName>().is_err(), "{bad}");
        }
    }
}
