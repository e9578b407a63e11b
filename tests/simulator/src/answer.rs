//! From a decided outcome to bytes: the envelope, and the faults that spoil it on its way.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode, header};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::{Frame, SizeHint};
use serde_json::{Map, Value, json};

use crate::connection::Connection;
use crate::effect::Effect;
use crate::errors::{ApiError, Language};
use crate::faults::Plan;
use crate::kinds::Kind;

/// The SDKs look for an error only under exactly this type, without a charset.
const JSON: &str = "application/json";

/// An answer ready to be sent.
#[derive(Debug)]
pub(crate) struct Answer {
    pub http_status: u16,
    pub content_type: String,
    pub headers: Vec<(header::HeaderName, String)>,
    pub body: Vec<u8>,
    /// Send only half of the body, then end the connection this way.
    pub cut: Option<Cut>,
    /// Whether a client can read it to its end and understand it.
    pub readable: bool,
}

/// How a connection ends after half of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Close,
    Reset,
}

impl Answer {
    /// HTTP 200 with the envelope, as the service gives it for success and error alike.
    pub fn envelope(outcome: &Result<Effect, ApiError>, request_id: &str, language: Language, plan: &Plan) -> Self {
        let mut members = match outcome {
            Ok(effect) => effect.body.clone(),
            Err(error) => {
                Map::from_iter([("Error".to_owned(), json!({"Code": error.code, "Message": error.message(language)}))])
            }
        };
        members.insert("RequestId".to_owned(), Value::from(request_id));
        let mut value = json!({ "Response": members });
        reshape(&mut value, plan);
        let mut answer = Self::json(value.to_string().into_bytes());
        answer.spoil(plan);
        answer
    }

    /// An HTML page as a gateway in front of the service gives it.
    pub fn page(http_status: u16, body: Option<&str>) -> Self {
        let body = body.map_or_else(
            || format!("<html><head><title>{http_status}</title></head><body><h1>{http_status}</h1><hr>gateway</body></html>"),
            str::to_owned,
        );
        Self { http_status, content_type: "text/html".to_owned(), ..Self::json(body.into_bytes()) }
    }

    /// A redirect.
    pub fn redirect(http_status: u16, location: &str) -> Self {
        let mut answer = Self::page(http_status, None);
        answer.headers.push((header::LOCATION, location.to_owned()));
        answer
    }

    fn json(body: Vec<u8>) -> Self {
        Self { http_status: 200, content_type: JSON.to_owned(), headers: Vec::new(), body, cut: None, readable: true }
    }

    /// The faults that act on the finished bytes; the first of the catalogue wins.
    fn spoil(&mut self, plan: &Plan) {
        let half = self.body.len() / 2;
        if plan.get(Kind::ResetMidBody).is_some() {
            self.cut = Some(Cut::Reset);
        } else if plan.get(Kind::TruncatedBody).is_some() {
            self.cut = Some(Cut::Close);
        } else if plan.get(Kind::TruncatedJson).is_some() {
            self.body.truncate(half);
        } else if let Some(hit) = plan.get(Kind::InvalidJson) {
            self.body =
                hit.parameters.body.clone().unwrap_or_else(|| "{\"Response\": nonsense".to_owned()).into_bytes();
        } else if plan.get(Kind::EmptyBody).is_some() {
            self.body.clear();
        } else if let Some(hit) = plan.get(Kind::OversizedBody) {
            self.body.resize(hit.parameters.bytes.unwrap_or(16 << 20).min(LARGEST_BODY), b' ');
        } else if let Some(hit) = plan.get(Kind::GzipBomb) {
            self.body = packed(&self.body, hit.parameters.bytes.unwrap_or(256 << 20));
            self.headers.push((header::CONTENT_ENCODING, "gzip".to_owned()));
        } else {
            if let Some(hit) = plan.get(Kind::WrongContentType) {
                self.content_type = hit.parameters.content_type.clone().unwrap_or_else(|| "text/html".to_owned());
            }
            return;
        }
        self.readable = false;
    }

    /// The HTTP response. `sent` runs when the whole readable body has been handed over.
    pub fn into_response(
        self,
        connection: &Connection,
        date: String,
        sent: impl FnOnce() + Send + 'static,
    ) -> Response<Body> {
        let announced = self.body.len();
        let mut body = self.body;
        if self.cut.is_some() {
            body.truncate(announced / 2);
        }
        let cut = self.cut.map(|cut| (cut, connection.clone()));
        let sent: Option<Hook> = if self.readable { Some(Box::new(sent)) } else { None };
        let body = Scripted { data: Some(Bytes::from(body)), announced: announced as u64, cut, sent };
        let mut response = Response::new(Body::new(body));
        *response.status_mut() = StatusCode::from_u16(self.http_status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = [(header::CONTENT_TYPE, self.content_type), (header::DATE, date)];
        for (name, value) in headers.into_iter().chain(self.headers) {
            if let Ok(value) = value.parse() {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

const LARGEST_BODY: usize = 1 << 30;

type Hook = Box<dyn FnOnce() + Send>;

struct Scripted {
    data: Option<Bytes>,
    announced: u64,
    cut: Option<(Cut, Connection)>,
    sent: Option<Hook>,
}

impl http_body::Body for Scripted {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(data) = self.data.take() else {
            // A cut body never ends by itself: the connection does, once the first half is out.
            return if self.cut.is_some() { Poll::Pending } else { Poll::Ready(None) };
        };
        if let Some((cut, connection)) = &self.cut {
            let (cut, ending) = (*cut, connection.clone());
            connection.when_flushed(move || match cut {
                Cut::Close => ending.close(),
                Cut::Reset => ending.reset(),
            });
        }
        if let Some(sent) = self.sent.take() {
            sent();
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.cut.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}

/// The faults that change the JSON without making it invalid.
fn reshape(value: &mut Value, plan: &Plan) {
    if plan.get(Kind::NumbersAsStrings).is_some() {
        visit(value, &|value| {
            if value.is_number() {
                *value = Value::from(value.to_string());
            }
        });
    }
    if let Some(hit) = plan.get(Kind::NullLists) {
        let all = hit.parameters.all;
        visit(value, &|value| {
            if value.as_array().is_some_and(|items| all || items.is_empty()) {
                *value = Value::Null;
            }
        });
    }
    if plan.get(Kind::UnknownFields).is_some() {
        visit(value, &|value| {
            if let Value::Object(members) = value {
                members.insert("FieldOfTomorrow".to_owned(), json!({"Nested": [1, "two", null]}));
            }
        });
    }
}

/// Applies `change` to every value, children first.
fn visit(value: &mut Value, change: &dyn Fn(&mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, change)),
        Value::Object(members) => members.values_mut().for_each(|member| visit(member, change)),
        _ => {}
    }
    change(value);
}

/// `body` and then blanks up to `bytes`, packed by gzip.
fn packed(body: &[u8], bytes: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let blanks = vec![b' '; 1 << 16];
    let mut left = bytes.min(LARGEST_BODY).saturating_sub(body.len());
    // Writing into a Vec cannot fail.
    let _ = encoder.write_all(body);
    while left > 0 {
        let chunk = left.min(blanks.len());
        let _ = encoder.write_all(blanks.get(..chunk).unwrap_or_default());
        left -= chunk;
    }
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;
    use crate::faults::{Faults, Subject};
    use std::io::Read;

    fn answer(fault: Option<Fault>) -> Answer {
        let mut faults = Faults::default();
        fault.map(|fault| faults.add(fault).expect("a valid fault"));
        let plan = faults.plan(Subject { action: "DescribeProxies", account: "1", ids: &[] }, |_| false);
        let effect = Effect::answering(json!({"TotalCount": 1, "ProxySet": [{"Bandwidth": 10, "TagSet": []}]}));
        Answer::envelope(&Ok(effect), "request-id", Language::English, &plan)
    }

    fn parsed(answer: &Answer) -> Value {
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    #[test]
    fn an_answer_is_an_envelope_with_a_request_id_under_the_bare_json_type() {
        let answer = answer(None);
        assert_eq!((answer.http_status, answer.content_type.as_str()), (200, "application/json"));
        assert_eq!(parsed(&answer)["Response"]["RequestId"], "request-id");
    }

    #[test]
    fn an_error_comes_in_http_200_in_the_callers_language() {
        let error = Err(ApiError::new("InternalError"));
        let answer = Answer::envelope(&error, "r", Language::English, &Plan::default());
        assert_eq!(answer.http_status, 200);
        assert_eq!(parsed(&answer)["Response"]["Error"], json!({"Code": "InternalError", "Message": "Internal error"}));
    }

    #[test]
    fn shapes_can_change_without_the_json_becoming_invalid() {
        let strings = parsed(&answer(Some(Fault::new(Kind::NumbersAsStrings))));
        assert_eq!(strings["Response"]["TotalCount"], "1");
        assert_eq!(strings["Response"]["ProxySet"][0]["Bandwidth"], "10");
        let nulls = parsed(&answer(Some(Fault::new(Kind::NullLists))));
        assert_eq!(nulls["Response"]["ProxySet"][0]["TagSet"], Value::Null);
        let all = parsed(&answer(Some(Fault::new(Kind::NullLists).with(|parameters| parameters.all = true))));
        assert_eq!(all["Response"]["ProxySet"], Value::Null);
        let unknown = parsed(&answer(Some(Fault::new(Kind::UnknownFields))));
        assert!(unknown["Response"]["ProxySet"][0]["FieldOfTomorrow"].is_object());
    }

    #[test]
    fn spoiled_answers_are_known_to_be_unreadable() {
        for kind in [
            Kind::TruncatedJson,
            Kind::InvalidJson,
            Kind::EmptyBody,
            Kind::TruncatedBody,
            Kind::ResetMidBody,
            Kind::OversizedBody,
            Kind::GzipBomb,
        ] {
            let fault = Fault::new(kind).with(|parameters| parameters.bytes = Some(1 << 20));
            assert!(!answer(Some(fault)).readable, "{kind:?}");
        }
        let wrong_type = answer(Some(Fault::new(Kind::WrongContentType)));
        assert_eq!((wrong_type.readable, wrong_type.content_type.as_str()), (true, "text/html"));
    }

    #[test]
    fn a_gzip_bomb_is_small_on_the_wire_and_large_when_unpacked() {
        let bomb = packed(b"{}", 8 << 20);
        assert!(bomb.len() < 64 << 10, "{} bytes", bomb.len());
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(bomb.as_slice()).read_to_end(&mut unpacked).expect("gzip");
        assert_eq!(unpacked.len(), 8 << 20);
        assert!(unpacked.starts_with(b"{}"));
    }
}
