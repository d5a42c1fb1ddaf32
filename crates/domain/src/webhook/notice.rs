//! Notices: events in words for people, as messages of Slack and as mails.
//!
//! A notice has one line for each fact. What flows and people have written stays within its line, is cut, and cannot format the message,
//! mention somebody or look like another link.

use serde_json::{Value, json};

use super::body::Event;
use crate::event_name::{is_of_approvals, names};

/// The most characters of a text that a flow or a person has written, such as the label of an action.
const MAX_TEXT_CHARS: usize = 300;
/// The most characters of the subject of a mail.
const MAX_SUBJECT_CHARS: usize = 150;
/// Takes no space, and keeps the character behind it from formatting a message of Slack.
const ZERO_WIDTH_SPACE: char = '\u{200b}';

/// A mail in plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The recipients. They see each other.
    pub to: Vec<String>,
    /// The subject, in one line.
    pub subject: String,
    /// The text.
    pub text: String,
}

impl Mail {
    /// Returns the mail about an event.
    pub fn about(event: &Event, to: &[String]) -> Self {
        let notice = Notice::of(event);
        Self { to: to.to_vec(), subject: notice.subject(), text: notice.lines(Format::Plain).join("\n") }
    }
}

/// Returns the message about an event for an incoming webhook of Slack, as JSON. Slack shows it without looking at the links in it.
pub fn slack_message(event: &Event) -> String {
    let text = Notice::of(event).lines(Format::Slack).join("\n");
    json!({"text": text, "unfurl_links": false, "unfurl_media": false}).to_string()
}

/// How a notice is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Plain,
    Slack,
}

impl Format {
    /// Returns a text that somebody has written, in one line and cut.
    fn text(self, text: &str) -> String {
        match self {
            Self::Plain => one_line(text, MAX_TEXT_CHARS),
            Self::Slack => escape(&one_line(text, MAX_TEXT_CHARS)),
        }
    }

    fn strong(self, text: &str) -> String {
        match self {
            Self::Plain => self.text(text),
            Self::Slack => format!("*{}*", self.text(text)),
        }
    }

    fn link(self, url: &str) -> String {
        match self {
            Self::Plain => format!("Open the approval: {url}"),
            // Nothing in a link formats the text, and a character more would make it another link.
            Self::Slack => format!("<{}|Open the approval>", url.replace('&', "&amp;")),
        }
    }
}

/// What a notice says about an event.
struct Notice<'a> {
    name: &'a str,
    data: Value,
}

impl<'a> Notice<'a> {
    fn of(event: &'a Event) -> Self {
        let mut body: Value = serde_json::from_str(&event.body).unwrap_or_default();
        Self { name: &event.name, data: body.get_mut("data").map(Value::take).unwrap_or_default() }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.data.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    fn subject(&self) -> String {
        let label = self.field("actionLabel").unwrap_or_default();
        let subject = match self.name {
            names::APPROVAL_OPENED => format!("Approval needed: {label}"),
            names::APPROVAL_REMINDED => format!("Approval still needed: {label}"),
            names::APPROVAL_REASSIGNED => format!("Approval reassigned: {label}"),
            names::APPROVAL_DECIDED => match self.field("decision") {
                Some("approved") => format!("Approved: {label}"),
                Some("rejected") => format!("Rejected: {label}"),
                _ => format!("Decided: {label}"),
            },
            names::APPROVAL_EXPIRED => format!("Approval expired: {label}"),
            other => self.field("flowSlug").map_or_else(|| other.to_owned(), |flow| format!("{other}: {flow}")),
        };
        one_line(&subject, MAX_SUBJECT_CHARS)
    }

    fn lines(&self, format: Format) -> Vec<String> {
        let text = |name: &str| self.field(name).map(|text| format.text(text));
        let label = format.strong(self.field("actionLabel").unwrap_or("An action"));
        let actor = || text("actor").unwrap_or_else(|| "the flow".to_owned());
        let until = || text("expiresAt").map(|at| format!("Until {at}"));
        let assignee = || text("assignTo").map(|assignee| format!("For {assignee}"));
        let mut lines = match self.name {
            names::APPROVAL_OPENED => vec![Some(format!("{label} waits for a decision")), until(), assignee()],
            names::APPROVAL_REMINDED => vec![Some(format!("{label} still waits for a decision")), until(), assignee()],
            names::APPROVAL_REASSIGNED => {
                vec![Some(format!("{label} was assigned to {} by {}", text("to").unwrap_or_default(), actor())), until()]
            }
            names::APPROVAL_DECIDED => {
                let note = text("note").map(|note| format!("\u{201c}{note}\u{201d}"));
                vec![Some(format!("{label} was {} by {}", text("decision").unwrap_or_else(|| "decided".to_owned()), actor())), note]
            }
            names::APPROVAL_EXPIRED => vec![Some(format!("{label} was not decided in time"))],
            other => vec![Some(format.strong(other)), text("errorMessage")],
        };
        lines.push(text("flowSlug").map(|flow| format!("Flow {flow}")));
        lines.push(text("runId").map(|run| format!("Run {run}")));
        lines.push(self.link().map(|url| format.link(url)));
        lines.into_iter().flatten().collect()
    }

    /// Returns the link to the approval. Only the events of approvals have one: `link` in the data of another event is what a flow says.
    fn link(&self) -> Option<&str> {
        let is_url = |url: &&str| !url.chars().any(|char| char.is_whitespace() || char.is_control() || matches!(char, '<' | '>' | '|'));
        self.field("link").filter(|_| is_of_approvals(self.name)).filter(is_url)
    }
}

/// Returns a text without what would begin another line, and cut.
fn one_line(text: &str, max_chars: usize) -> String {
    let breaks = |char: char| char.is_control() || matches!(char, '\u{2028}' | '\u{2029}');
    text.chars().take(max_chars).map(|char| if breaks(char) { ' ' } else { char }).collect()
}

/// Returns a text that Slack shows as it is.
fn escape(text: &str) -> String {
    let (mut escaped, mut is_in_word) = (String::new(), false);
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '*' | '`' | '~' => escaped.extend([ZERO_WIDTH_SPACE, char]),
            // Within a word, as in an id, it formats nothing.
            '_' if !is_in_word => escaped.extend([ZERO_WIDTH_SPACE, char]),
            _ => escaped.push(char),
        }
        is_in_word = char.is_alphanumeric();
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{EventId, OrgId};
    use crate::time::Time;

    const LINK: &str = "https://runs.example.com/console/approvals/apr_1";

    fn event(name: &str, data: Value) -> Event {
        let now = Time::from_millis(0);
        Event::new(EventId::new(now, 1), name, OrgId::new(now, 1), now, data)
    }

    fn slack(name: &str, data: Value) -> String {
        let message: Value = serde_json::from_str(&slack_message(&event(name, data))).unwrap();
        assert_eq!((&message["unfurl_links"], &message["unfurl_media"]), (&json!(false), &json!(false)));
        message["text"].as_str().unwrap().to_owned()
    }

    fn mail(name: &str, data: Value) -> Mail {
        Mail::about(&event(name, data), &["ada@example.org".to_owned()])
    }

    fn opened() -> Value {
        json!({
            "actionLabel": "Refund Maria", "assignTo": "role:reviewer", "expiresAt": "2026-01-01T00:00:00.000Z", "flowSlug": "refunds",
            "runId": "run_1", "link": LINK,
        })
    }

    #[test]
    fn an_approval_is_a_message_with_a_link() {
        let expected = "*Refund Maria* waits for a decision\nUntil 2026-01-01T00:00:00.000Z\nFor role:reviewer\nFlow refunds\nRun run_1\n\
                        <https://runs.example.com/console/approvals/apr_1|Open the approval>";
        assert_eq!(slack("approval.opened", opened()), expected);
    }

    #[test]
    fn a_link_stays_as_it_is() {
        let link = "http://127.0.0.1:4566/restapis/abc/v1/_user_request_/console/approvals/apr_1";
        assert!(slack("approval.opened", json!({"link": link})).ends_with(&format!("<{link}|Open the approval>")));
    }

    #[test]
    fn an_approval_is_a_mail_with_a_link() {
        let text = "Refund Maria waits for a decision\nUntil 2026-01-01T00:00:00.000Z\nFor role:reviewer\nFlow refunds\nRun run_1\n\
                    Open the approval: https://runs.example.com/console/approvals/apr_1";
        let expected =
            Mail { to: vec!["ada@example.org".to_owned()], subject: "Approval needed: Refund Maria".to_owned(), text: text.to_owned() };
        assert_eq!(mail("approval.opened", opened()), expected);
    }

    #[test]
    fn every_event_has_a_subject() {
        for (name, more, subject) in [
            ("approval.reminded", json!({}), "Approval still needed: Pay"),
            ("approval.reassigned", json!({}), "Approval reassigned: Pay"),
            ("approval.decided", json!({"decision": "approved"}), "Approved: Pay"),
            ("approval.decided", json!({"decision": "rejected"}), "Rejected: Pay"),
            ("approval.expired", json!({"decision": "expired"}), "Approval expired: Pay"),
            ("flow.run.failed", json!({"flowSlug": "refunds"}), "flow.run.failed: refunds"),
            ("webhook.test", json!({}), "webhook.test"),
        ] {
            let mut data = json!({"actionLabel": "Pay"});
            data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert_eq!(mail(name, data).subject, subject);
        }
    }

    #[test]
    fn a_subject_is_one_short_line() {
        let label = format!("a\r\nBcc: eve@example.org\u{2028}{}", "é".repeat(500));
        let subject = mail("approval.opened", json!({"actionLabel": label})).subject;
        assert_eq!(subject.chars().count(), 150);
        assert!(subject.starts_with("Approval needed: a  Bcc: eve@example.org é"), "{subject}");
    }

    #[test]
    fn what_people_have_written_mentions_nobody_and_makes_no_link() {
        let data = json!({"actionLabel": "<!channel> <https://evil.test|ok>\n&", "decision": "rejected", "actor": "usr", "note": "_*no*_"});
        let shown = slack("approval.decided", data);
        assert!(!shown.contains('<') && !shown.contains("\n&") && shown.lines().count() == 2, "{shown}");
        assert!(shown.ends_with("\u{201c}\u{200b}_\u{200b}*no\u{200b}*\u{200b}_\u{201d}"), "{shown}");
    }

    #[test]
    fn any_other_event_is_named_and_has_no_link() {
        let data = json!({"flowSlug": "refunds", "runId": "r", "errorMessage": "it broke"});
        assert_eq!(slack("flow.run.failed", data.clone()), "*flow.run.failed*\nit broke\nFlow refunds\nRun r");
        assert_eq!(mail("flow.run.failed", data).text, "flow.run.failed\nit broke\nFlow refunds\nRun r");
        assert_eq!(slack("order.paid", json!("no object")), "*order.paid*");
        assert_eq!(slack("order.paid", json!({"link": "https://evil.test"})), "*order.paid*");
        assert!(!slack("approval.opened", json!({"link": "https://evil.test|Runs> <https://evil.test"})).contains("evil"));
    }

    #[test]
    fn the_flow_escalates_if_nobody_has_reassigned_it() {
        let data = json!({"actionLabel": "Pay", "to": "role:lead", "actor": null, "expiresAt": "soon"});
        assert_eq!(mail("approval.reassigned", data).text, "Pay was assigned to role:lead by the flow\nUntil soon");
    }
}
