//! The request that a handler reads.

use std::str::FromStr;

use domain::access::Caller;
use domain::error::ApplicationError;
use domain::flow::{NodeId, ServiceSlug, Slug};
use domain::id::{ApprovalId, DeliveryId, EndpointId, FlowId, KeyId, RunId, SessionId};
use domain::ports::FlowName;
use domain::problem::FieldErrors;
use exact_json::ReadError;
use lambda_http::http::HeaderMap;
use lambda_http::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use lambda_http::{Request, RequestExt};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::{ApiError, BaseUrl};

/// The maximum length of an Idempotency-Key, in characters.
const MAX_KEY_CHARS: usize = 255;

/// A request that is authenticated and authorised.
#[derive(Debug)]
pub struct ApiRequest {
    /// The caller: its organisation, actor and grants.
    pub caller: Caller,
    request: Request,
}

impl ApiRequest {
    pub(crate) fn new(caller: Caller, request: Request) -> Self {
        Self { caller, request }
    }

    /// Returns the flow named by `{id}`: an id or a slug. Fails with 404 if the text cannot name one.
    pub fn flow_name(&self) -> Result<FlowName, ApplicationError> {
        flow_name(self.path_parameter("id")).ok_or(ApplicationError::NotFound("flow"))
    }

    /// Returns the id of the run named by `{runId}`. Fails with 404 if the text is not such an id.
    pub fn run_id(&self) -> Result<RunId, ApplicationError> {
        self.path_parameter("runId").parse().map_err(|_| ApplicationError::NotFound("run"))
    }

    /// Returns the id of the approval named by `{approvalId}`. Fails with 404 if the text is not such an id.
    pub fn approval_id(&self) -> Result<ApprovalId, ApplicationError> {
        self.path_parameter("approvalId").parse().map_err(|_| ApplicationError::NotFound("approval"))
    }

    /// Returns the id of the API key named by `{keyId}`. Fails with 404 if the text is not such an id.
    pub fn key_id(&self) -> Result<KeyId, ApplicationError> {
        self.path_parameter("keyId").parse().map_err(|_| ApplicationError::NotFound("API key"))
    }

    /// Returns the id of the session named by `{sessionId}`. Fails with 404 if the text is not such an id.
    pub fn session_id(&self) -> Result<SessionId, ApplicationError> {
        self.path_parameter("sessionId").parse().map_err(|_| ApplicationError::NotFound("session"))
    }

    /// Returns where the deployment is, as the browser sees it.
    pub fn base_url(&self) -> BaseUrl {
        BaseUrl::of(&self.request)
    }

    /// Returns the id of the webhook endpoint named by `{id}`. Fails with 404 if the text is not such an id.
    pub fn webhook_id(&self) -> Result<EndpointId, ApplicationError> {
        self.path_parameter("id").parse().map_err(|_| ApplicationError::NotFound("webhook"))
    }

    /// Returns the id of the delivery named by `{deliveryId}`. Fails with 404 if the text is not such an id.
    pub fn delivery_id(&self) -> Result<DeliveryId, ApplicationError> {
        self.path_parameter("deliveryId").parse().map_err(|_| ApplicationError::NotFound("delivery"))
    }

    /// Returns the service slug in `{slug}`. Its colon may be percent-encoded: no slug contains a `%`. Fails with 404 if the text is not
    /// a slug.
    pub fn service_slug(&self) -> Result<ServiceSlug, ApplicationError> {
        let slug = percent_decode_str(self.path_parameter("slug")).decode_utf8().ok();
        slug.and_then(|slug| slug.parse().ok()).ok_or(ApplicationError::NotFound("service connection"))
    }

    /// Returns the node id in `{nodeId}`. Fails with 404 if no node of a flow can have that id.
    pub fn node_id(&self) -> Result<NodeId, ApplicationError> {
        let node = self.path_parameter("nodeId").parse().ok().filter(|node: &NodeId| !node.is_internal());
        node.ok_or(ApplicationError::NotFound("step"))
    }

    fn path_parameter(&self, name: &str) -> &str {
        self.request.path_parameters_ref().and_then(|parameters| parameters.first(name)).unwrap_or_default()
    }

    /// Returns a query parameter. An empty one counts as absent.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.request.query_string_parameters_ref().and_then(|parameters| parameters.first(name)).filter(|value| !value.is_empty())
    }

    /// Returns a query parameter as `read` parses it. The error of `read` is added to `errors`.
    pub fn query_as<T>(&self, name: &str, errors: &mut FieldErrors, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match read(self.query(name)?) {
            Ok(value) => Some(value),
            Err(problem) => {
                errors.add(name, problem);
                None
            }
        }
    }

    /// Returns the id or the slug of a flow in a query parameter.
    pub fn query_flow(&self, name: &str, errors: &mut FieldErrors) -> Option<FlowName> {
        self.query_as(name, errors, |text| flow_name(text).ok_or_else(|| "must be the id or the slug of a flow".to_owned()))
    }

    /// Returns whether the request is a dry run: it is validated, and changes nothing. Fails if `dryRun` is neither `true` nor `false`.
    pub fn is_dry_run(&self) -> Result<bool, FieldErrors> {
        match self.query("dryRun") {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(FieldErrors::one("dryRun", "must be true or false")),
        }
    }

    /// Returns a header. A header that is not text counts as absent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns the `Idempotency-Key`, if there is one. Fails if it is empty or too long.
    pub fn idempotency_key(&self) -> Result<Option<String>, FieldErrors> {
        let Some(value) = self.request.headers().get("idempotency-key") else { return Ok(None) };
        let key = value.to_str().ok().filter(|key| !key.is_empty() && key.len() <= MAX_KEY_CHARS);
        let problem = || FieldErrors::one("Idempotency-Key", format!("must have 1 to {MAX_KEY_CHARS} characters"));
        key.map(|key| Some(key.to_owned())).ok_or_else(problem)
    }

    /// Returns the body as JSON, or nothing if it is empty. Fails if it has more than `max_bytes`, if the content type is not JSON, and if
    /// the body is not JSON.
    pub fn json(&self, max_bytes: usize) -> Result<Option<Value>, ApiError> {
        let bytes = self.request.body().as_ref();
        if bytes.len() > max_bytes {
            return Err(ApiError::TooLarge("body", max_bytes));
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        check_json(self.request.headers())?;
        json_of(bytes)
    }

    /// Returns the body as a JSON object. An absent body is an empty object. Fails as [`json`](Self::json) does.
    pub fn json_object(&self, max_bytes: usize) -> Result<Map<String, Value>, ApiError> {
        match self.json(max_bytes)? {
            None => Ok(Map::new()),
            Some(Value::Object(fields)) => Ok(fields),
            Some(_) => Err(FieldErrors::one("body", "must be a JSON object").into()),
        }
    }
}

/// Fails if the headers say that the body is not JSON in UTF-8, which is the only charset of JSON between systems (RFC 8259, section
/// 8.1). Nothing is decoded from another charset or unpacked: what reaches a flow are the bytes that were sent. A body without a
/// `Content-Type` is taken for JSON.
pub(crate) fn check_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let media_type = headers.get(CONTENT_TYPE).map_or(Some("application/json"), |value| value.to_str().ok()).unwrap_or_default();
    let mut parts = media_type.split(';');
    let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence != "application/json" && !essence.ends_with("+json") {
        return Err(ApiError::MediaType);
    }
    let charset = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    });
    let is_utf8 = charset.is_none_or(|charset| matches!(charset.as_str(), "utf-8" | "utf8" | "us-ascii"));
    let codings = headers.get_all(CONTENT_ENCODING).iter().flat_map(|value| value.to_str().unwrap_or("unreadable").split(','));
    let is_plain = codings.map(str::trim).all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case("identity"));
    if is_utf8 && is_plain { Ok(()) } else { Err(ApiError::BodyEncoding) }
}

/// Returns the JSON in a body, or nothing if the body is blank. A byte-order mark before it is passed over (RFC 8259, section 8.1). Fails if the body is
/// not JSON, or not UTF-8.
pub(crate) fn json_of(bytes: &[u8]) -> Result<Option<Value>, ApiError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    exact_json::read(bytes).map(Some).map_err(|problem| match problem {
        ReadError::Number(number) => {
            let path = if number.path.is_empty() { "body" } else { number.path.as_str() };
            FieldErrors::one(path, number.message()).into()
        }
        problem @ (ReadError::Syntax(_) | ReadError::TooDeep) => FieldErrors::one("body", problem).into(),
    })
}

/// Reads the id or the slug of a flow.
fn flow_name(text: &str) -> Option<FlowName> {
    let by_id = FlowId::from_str(text).ok().map(FlowName::Id);
    by_id.or_else(|| Slug::from_str(text).ok().map(FlowName::Slug))
}

#[cfg(test)]
mod tests {
    use testkit::build::{Maker, actor, caller};

    use super::*;

    fn request(event: &str) -> ApiRequest {
        let maker = Maker::new(1);
        let key = maker.key(maker.org(), actor("usr_ada"), &[]);
        ApiRequest::new(caller(key), lambda_http::request::from_str(event).unwrap())
    }

    /// A sample event, changed by `change`.
    fn changed(change: impl FnOnce(&mut Value)) -> ApiRequest {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/approve-run/with-override.json")).unwrap();
        change(&mut event);
        request(&event.to_string())
    }

    #[test]
    fn paths_queries_headers_and_bodies_are_read_from_what_api_gateway_sends() {
        let execute = request(include_str!("../../../events/execute-flow/with-idempotency-key.json"));
        assert_eq!(execute.flow_name().unwrap(), FlowName::Slug("refund-with-approval".parse().unwrap()));
        assert_eq!(execute.header("idempotency-key"), Some("order-A-1043"));
        assert_eq!(execute.json(1000).unwrap().unwrap()["orderId"], "A-1043");
        let list = request(include_str!("../../../events/list-flow-runs/filtered.json"));
        assert_eq!((list.query("status"), list.query("page")), (Some("awaiting_approval"), None));
        let get = request(include_str!("../../../events/get-run/awaiting-approval.json"));
        assert_eq!(get.run_id().unwrap().to_string(), "run_01M85EXE14SECWM1TBH3987TR1");
    }

    #[test]
    fn a_body_is_json_of_bounded_size_or_nothing() {
        assert!(changed(|event| event["body"] = Value::Null).json_object(10).unwrap().is_empty());
        assert!(matches!(changed(|_| {}).json(10), Err(ApiError::TooLarge("body", 10))));
        let bad = changed(|event| event["body"] = "{".into()).json(1000).unwrap_err();
        assert_eq!((bad.status(), bad.body()["details"]["fieldErrors"].get("body").is_some()), (400, true));
        assert_eq!(changed(|event| event["body"] = "[1]".into()).json_object(1000).unwrap_err().status(), 400);
        let form = changed(|event| {
            event["headers"]["Content-Type"] = "application/x-www-form-urlencoded".into();
            event["multiValueHeaders"]["Content-Type"] = serde_json::json!(["application/x-www-form-urlencoded"]);
        });
        assert_eq!(form.json(1000).unwrap_err().status(), 415);
    }

    fn with_header(name: &str, value: &str) -> ApiRequest {
        changed(|event| {
            event["headers"][name] = value.into();
            event["multiValueHeaders"][name] = serde_json::json!([value]);
        })
    }

    #[test]
    fn a_body_is_utf_8_and_not_compressed_or_it_is_refused() {
        for (name, value) in [
            ("Content-Type", "application/json; charset=utf-8"),
            ("Content-Type", "application/json;charset=\"UTF-8\""),
            ("Content-Type", "application/problem+json"),
            ("Content-Encoding", "identity"),
        ] {
            assert!(with_header(name, value).json(1000).unwrap().is_some(), "{name}: {value}");
        }
        for (name, value) in [
            ("Content-Type", "application/json; charset=ISO-8859-1"),
            ("Content-Type", "application/json; charset=utf-16"),
            ("Content-Encoding", "gzip"),
            ("Content-Encoding", "identity, br"),
        ] {
            let error = with_header(name, value).json(1000).unwrap_err();
            assert_eq!(
                (error.status(), error.to_string().as_str()),
                (415, "the body must be in UTF-8 and not compressed"),
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_body_and_bytes_that_are_not_utf_8_are_refused() {
        use base64::Engine as _;
        let sent = |bytes: &[u8]| {
            changed(|event| {
                event["body"] = base64::engine::general_purpose::STANDARD.encode(bytes).into();
                event["isBase64Encoded"] = true.into();
            })
        };
        assert_eq!(sent("\u{feff}{\"note\":\"ü\"}".as_bytes()).json(1000).unwrap().unwrap()["note"], "ü");
        assert_eq!(sent("\u{feff}".as_bytes()).json(1000).unwrap(), None);
        for bytes in [b"{\"note\":\"M\xfcller\"}".as_slice(), b"\xff\xfe{\0}\0", b"\x1f\x8b\x08\0"] {
            let error = sent(bytes).json(1000).unwrap_err();
            assert_eq!(error.status(), 400, "{bytes:?}");
        }
    }

    #[test]
    fn a_number_that_would_change_its_value_is_refused_at_its_path() {
        for (body, path) in [
            (r#"{"amount": 18446744073709551616}"#, "amount"),
            (r#"{"proposedActionOverride": {"items": [1, 1e400]}}"#, "proposedActionOverride.items[1]"),
            ("1e400", "body"),
        ] {
            let refused = changed(|event| event["body"] = body.into()).json(1000).unwrap_err();
            let problem = refused.body()["details"]["fieldErrors"][path][0].clone();
            assert!(refused.status() == 400 && problem.as_str().unwrap().contains("would change its value"), "{body}: {problem}");
        }
        let kept = changed(|event| event["body"] = "[0.1, 100.0, 12345678901234567890]".into()).json(1000).unwrap().unwrap();
        assert_eq!(kept.to_string(), "[0.1,100.0,12345678901234567890]");
    }

    #[test]
    fn a_body_in_base64_is_the_same_body() {
        use base64::Engine as _;
        let encoded = changed(|event| {
            event["body"] = base64::engine::general_purpose::STANDARD.encode(r#"{"note":"ü"}"#).into();
            event["isBase64Encoded"] = true.into();
        });
        assert_eq!(encoded.json(1000).unwrap().unwrap()["note"], "ü");
    }
}
