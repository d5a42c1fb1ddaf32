//! The chat-completions protocol of OpenAI, which most model servers speak.

use std::collections::BTreeMap;

use domain::connection::Carrier;
use domain::ports::EffectError;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::attempt::Attempt;
use crate::chat::{Completion, FILTERED, Question, Tokens, Turn, Wish};
use crate::credential::Credential;
use crate::failure::cut;
use crate::http::{Call, Client, NothingOpen};
use crate::received::Received;

/// A turn of the conversation, in the protocol's words.
#[derive(Debug, Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Message<'a> {
    System {
        content: &'a str,
    },
    User {
        content: &'a str,
    },
    Assistant {
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<Value>,
    },
    Tool {
        tool_call_id: &'a str,
        content: &'a str,
    },
}

impl<'a> From<&'a Turn> for Message<'a> {
    fn from(turn: &'a Turn) -> Self {
        match turn {
            Turn::System(content) => Self::System { content },
            Turn::User(content) => Self::User { content },
            Turn::Model { text, calls } => {
                let said = |wish: &Wish| {
                    let function = json!({"name": wish.name, "arguments": wish.arguments});
                    json!({"id": wish.id, "type": "function", "function": function})
                };
                Self::Assistant { content: text.as_deref(), tool_calls: calls.iter().map(said).collect() }
            }
            Turn::Tool { id, content } => Self::Tool { tool_call_id: id, content },
        }
    }
}

#[derive(Debug, Default, Deserialize)]
struct Usage {
    #[serde(rename = "prompt_tokens")]
    prompt: Option<u64>,
    #[serde(rename = "completion_tokens")]
    completion: Option<u64>,
    #[serde(rename = "total_tokens")]
    total: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Reply {
    choices: Option<Vec<Choice>>,
    model: Option<String>,
    usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    message: Option<Said>,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Said {
    content: Option<String>,
    refusal: Option<String>,
    /// Read only if tools were offered: [`Called`], some of them.
    tool_calls: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Called {
    id: Option<String>,
    function: Function,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: String,
    /// JSON as text; some servers send the object itself.
    #[serde(default)]
    arguments: Value,
}

impl Called {
    /// `name` is its id if the server gives it none.
    fn wish(self, name: String) -> Wish {
        let arguments = match self.function.arguments {
            Value::String(text) => text,
            Value::Null => String::new(),
            value => value.to_string(),
        };
        // The result has to name the call; some servers leave the naming to us.
        let id = self.id.filter(|id| !id.is_empty()).unwrap_or(name);
        Wish { id, name: self.function.name, arguments }
    }
}

/// A model at a server that speaks the protocol.
#[derive(Debug)]
pub(crate) struct Model {
    url: Url,
    credential: Option<Credential>,
    name: String,
}

impl Model {
    /// The model that the server knows by this name.
    pub(crate) fn new(base: &Url, key: Option<SecretString>, name: String) -> Self {
        Self { url: endpoint(base), credential: key.map(|key| Credential::new(&Carrier::default(), key)), name }
    }

    /// Sends the conversation, once.
    pub(crate) async fn complete(
        &self,
        client: &Client,
        attempt: &Attempt<'_>,
        question: &Question<'_>,
    ) -> Result<Completion, EffectError> {
        let body = body(&self.url, &self.name, question);
        let (url, credential) = (self.url.clone(), self.credential.as_ref());
        let call = Call { method: "POST", url, headers: &BTreeMap::new(), credential, body: Some(&body) };
        read(&client.send(&NothingOpen, attempt, call).await?, &self.name, question)
    }
}

fn endpoint(base: &Url) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/chat/completions", base.path().trim_end_matches('/')));
    url
}

fn body(url: &Url, model: &str, question: &Question<'_>) -> Value {
    let request = question.request;
    let messages: Vec<Message<'_>> = question.turns.iter().map(Message::from).collect();
    let mut body = json!({"model": model, "messages": messages});
    let mut set = |name: &str, value: Value| {
        if let Value::Object(fields) = &mut body {
            fields.insert(name.to_owned(), value);
        }
    };
    if let Some(temperature) = request.temperature {
        set("temperature", Value::from(temperature));
    }
    if let Some(most) = request.max_tokens {
        // OpenAI's newer models refuse `max_tokens`; many servers that speak its protocol know nothing else.
        let name = if url.host_str() == Some("api.openai.com") { "max_completion_tokens" } else { "max_tokens" };
        set(name, Value::from(most));
    }
    if let Some(schema) = request.output_schema.as_ref().filter(|schema| schema.is_object()) {
        // Not strict: that mode takes a subset of JSON Schema (every object with `additionalProperties: false` and all of its
        // properties required, an object at the root) and answers 400 to the rest, while a flow may use all of it. Strict or
        // not, the answer is validated here.
        let format = json!({"type": "json_schema", "json_schema": {"name": "output", "schema": schema, "strict": false}});
        set("response_format", format);
    }
    if !question.offers.is_empty() {
        let functions = question.offers.iter().map(|offer| {
            let function = json!({"name": offer.name, "description": offer.description, "parameters": offer.parameters});
            json!({"type": "function", "function": function})
        });
        set("tools", functions.collect());
    }
    body
}

fn read(received: &Received, asked: &str, question: &Question<'_>) -> Result<Completion, EffectError> {
    let text = String::from_utf8_lossy(&received.body);
    let complaint = complaint(&text);
    if received.status == 401 {
        // What providers say to this quotes the key, in part.
        return Err(received.failure("the provider does not accept this deployment's LLM_API_KEY; its operator must set a valid one"));
    }
    if !received.is_success() {
        let said = complaint.unwrap_or_else(|| text.into_owned());
        return Err(received.failure(&received.target.quote(&said)));
    }
    // Some servers answer 200 to a failure.
    if let Some(said) = complaint {
        return Err(received.unusable(&format!("with an error: {}", received.target.quote(&said))));
    }
    let reply: Reply = serde_json::from_str(&text)
        .map_err(|why| received.unusable(&format!("not with a chat completion ({why}): {}", received.target.quote(&text))))?;
    let choice = reply.choices.unwrap_or_default().into_iter().next();
    let choice = choice.ok_or_else(|| received.unusable("without an answer: `choices` is empty"))?;
    let said = choice.message.unwrap_or_default();
    if let Some(refusal) = said.refusal.filter(|refusal| !refusal.is_empty()) {
        return Err(received.unusable(&format!("the model refuses: {}", received.target.quote(&refusal))));
    }
    match choice.finish_reason.as_deref() {
        Some("length") => return Err(received.unusable(&question.cut_off())),
        Some("content_filter") => return Err(received.unusable(FILTERED)),
        _ => {}
    }
    // Who was offered no tool cannot call one, whatever it says.
    let called = said.tool_calls.filter(|called| !question.offers.is_empty() && !called.is_null());
    let called: Vec<Called> = called
        .map_or_else(|| Ok(Vec::new()), serde_json::from_value)
        .map_err(|why| received.unusable(&format!("its `tool_calls` cannot be read ({why})")))?;
    let turn = question.turns.len();
    let calls: Vec<Wish> = called.into_iter().enumerate().map(|(at, call)| call.wish(format!("call_{turn}_{at}"))).collect();
    if calls.is_empty() && said.content.is_none() {
        let reason = choice.finish_reason.as_deref().unwrap_or("none");
        return Err(received.unusable(&format!("without any text (finish_reason: {})", cut(reason, 40))));
    }
    let usage = reply.usage.unwrap_or_default();
    let tokens = Tokens { prompt: usage.prompt, completion: usage.completion, total: usage.total };
    Ok(Completion { text: said.content, calls, model: reply.model.unwrap_or_else(|| asked.to_owned()), tokens })
}

/// What an error body says: `{"error": {"message": …}}`, or one of the shorter forms that other servers use.
fn complaint(text: &str) -> Option<String> {
    let body: Value = serde_json::from_str(text).ok()?;
    let error = body.get("error").filter(|error| !error.is_null())?;
    let message = error.get("message").unwrap_or(error);
    Some(message.as_str().map_or_else(|| message.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::request::LlmRequest;

    #[test]
    fn the_endpoint_is_below_the_base_url() {
        for base in ["https://api.openai.com/v1", "https://api.openai.com/v1/"] {
            assert_eq!(endpoint(&base.parse().unwrap()).as_str(), "https://api.openai.com/v1/chat/completions");
        }
        assert_eq!(endpoint(&"https://llm.example".parse().unwrap()).path(), "/chat/completions");
    }

    #[test]
    fn the_token_limit_goes_by_the_name_the_server_knows() {
        let request = LlmRequest {
            model: "m".to_owned(),
            system_prompt: None,
            user_prompt: "u".to_owned(),
            output_schema: None,
            tools: Vec::new(),
            temperature: None,
            max_tokens: Some(9),
        };
        let named = |url: &str| body(&url.parse().unwrap(), "m", &Question { request: &request, turns: &[], offers: &[] });
        assert_eq!(named("https://api.openai.com/v1/chat/completions")["max_completion_tokens"], 9);
        assert_eq!(named("https://llm.example/v1/chat/completions")["max_tokens"], 9);
        assert_eq!(named("https://llm.example/v1/chat/completions"), json!({"model": "m", "messages": [], "max_tokens": 9}));
    }

    #[test]
    fn errors_of_several_servers_are_understood() {
        assert_eq!(complaint(r#"{"error":{"message":"no","type":"x"}}"#).as_deref(), Some("no"));
        assert_eq!(complaint(r#"{"error":"no"}"#).as_deref(), Some("no"));
        assert_eq!(complaint(r#"{"error":{"code":7}}"#).as_deref(), Some(r#"{"code":7}"#));
        assert_eq!(complaint(r#"{"error":null,"choices":[]}"#), None);
        assert_eq!(complaint("<html>"), None);
    }
}
