//! The control API: JSON below `/_sim/`. Wrong calls get HTTP 400 or 404 with `{"error": sentence}`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{Response, StatusCode};
use axum::routing::{delete, get};
use axum::{Extension, Json, Router};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::accounts::Credential;
use crate::catalogue::CATALOGUE;
use crate::connection::Connection;
use crate::control::{Control, ProxySpec, refusal};
use crate::fault::Fault;

use crate::shared::Shared;

type Reply = (StatusCode, Json<Value>);
type Asked = Query<HashMap<String, String>>;

/// All routes.
pub(crate) fn routes(shared: &Arc<Shared>) -> Router {
    Router::new()
        .route("/_sim/proxies", get(list_proxies).post(add_proxies).patch(change_named).delete(remove_named))
        .route("/_sim/proxies/{id}", get(one_proxy).patch(change_proxy).delete(remove_proxy))
        .route("/_sim/requests", get(requests))
        .route("/_sim/faults", get(list_faults).post(add_fault).delete(clear_faults))
        .route("/_sim/faults/kinds", get(|| async { Json(CATALOGUE) }))
        .route("/_sim/faults/{id}", delete(remove_fault))
        .route("/_sim/settings", get(settings).post(change_settings))
        .route("/_sim/credentials", get(list_credentials).post(add_credential))
        .route("/_sim/credentials/{id}", delete(remove_credential))
        .fallback(|| async { refused(StatusCode::NOT_FOUND, "there is no such control route") })
        .with_state(Control::new(shared.clone()))
}

fn shown(value: impl Serialize) -> Reply {
    match serde_json::to_value(value) {
        Ok(value) => (StatusCode::OK, Json(value)),
        Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn refused(status: StatusCode, sentence: &str) -> Reply {
    (status, Json(json!({ "error": sentence })))
}

fn tried(result: Result<impl Serialize, String>) -> Reply {
    match result {
        Ok(value) => shown(value),
        Err(sentence) => refused(StatusCode::BAD_REQUEST, &sentence),
    }
}

fn found(was_there: bool, what: &str) -> Reply {
    if was_there { shown(json!({})) } else { refused(StatusCode::NOT_FOUND, &format!("there is no {what}")) }
}

/// Reads JSON whatever the content type says, so that a plain `curl -d` works.
fn parsed<T: DeserializeOwned>(body: &Bytes) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

async fn list_proxies(State(control): State<Control>) -> Reply {
    shown(control.proxies())
}

/// One object or a list of them.
async fn add_proxies(State(control): State<Control>, body: Bytes) -> Reply {
    let specs = parsed::<Value>(&body).and_then(|value| {
        let list = if let Value::Array(list) = value { list } else { vec![value] };
        let specs: Result<Vec<ProxySpec>, _> = list.into_iter().map(serde_json::from_value).collect();
        specs.map_err(|error| error.to_string())
    });
    tried(specs.and_then(|specs| {
        let mut made = Vec::new();
        for spec in &specs {
            made.extend(control.add_proxies(spec)?);
        }
        Ok(made)
    }))
}

async fn one_proxy(State(control): State<Control>, Path(id): Path<String>) -> Reply {
    control.proxy(&id).map_or_else(|| found(false, &format!("proxy {id}")), shown)
}

async fn change_named(State(control): State<Control>, body: Bytes) -> Reply {
    tried(parsed::<ProxySpec>(&body).and_then(|spec| {
        let id = spec.id.clone().ok_or("the body of a PATCH names an id")?;
        control.change_proxy(&id, &spec)
    }))
}

async fn change_proxy(State(control): State<Control>, Path(id): Path<String>, body: Bytes) -> Reply {
    if control.proxy(&id).is_none() {
        return found(false, &format!("proxy {id}"));
    }
    tried(parsed::<ProxySpec>(&body).and_then(|spec| control.change_proxy(&id, &spec)))
}

async fn remove_named(State(control): State<Control>, Query(asked): Asked) -> Reply {
    match asked.get("id") {
        Some(id) => found(control.remove_proxy(id), &format!("proxy {id}")),
        None => refused(StatusCode::BAD_REQUEST, "say which proxy: ?id=link-…"),
    }
}

async fn remove_proxy(State(control): State<Control>, Path(id): Path<String>) -> Reply {
    found(control.remove_proxy(&id), &format!("proxy {id}"))
}

/// The list itself is the body, so what fell out of the log is told in a header.
async fn requests(State(control): State<Control>, Query(asked): Asked) -> Response<Body> {
    let after = asked.get("after").map_or(Ok(0), |after| after.parse::<u64>());
    let (status, Json(body)) = match after {
        Ok(after) => shown(control.requests(after)),
        Err(_) => refused(StatusCode::BAD_REQUEST, "after is a number"),
    };
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("content-type", axum::http::HeaderValue::from_static("application/json"));
    headers.insert("x-sim-dropped-requests", control.dropped_requests().into());
    response
}

async fn list_faults(State(control): State<Control>) -> Reply {
    shown(control.faults())
}

async fn add_fault(State(control): State<Control>, Extension(connection): Extension<Connection>, body: Bytes) -> Reply {
    let fault = match parsed::<Fault>(&body) {
        Ok(fault) => fault,
        Err(sentence) => return refused(StatusCode::BAD_REQUEST, &sentence),
    };
    if let Some(closed_for) = refusal(&fault) {
        // Only after this answer is out, or the caller would never learn that the fault was taken.
        connection.when_flushed(move || control.refuse_connections(closed_for));
        return shown(json!({"id": 0}));
    }
    tried(control.add_fault(fault).map(|id| json!({ "id": id })))
}

async fn clear_faults(State(control): State<Control>) -> Reply {
    control.clear_faults();
    shown(json!({}))
}

async fn remove_fault(State(control): State<Control>, Path(id): Path<u64>) -> Reply {
    found(control.remove_fault(id), &format!("fault {id}"))
}

async fn settings(State(control): State<Control>) -> Reply {
    shown(control.settings())
}

async fn change_settings(State(control): State<Control>, body: Bytes) -> Reply {
    tried(parsed::<Value>(&body).and_then(|changes| control.merge_settings(&changes)))
}

async fn list_credentials(State(control): State<Control>) -> Reply {
    shown(control.credentials())
}

async fn add_credential(State(control): State<Control>, body: Bytes) -> Reply {
    let credential = parsed::<Credential>(&body);
    if let Ok(credential) = &credential {
        control.put_credential(credential.clone());
    }
    tried(credential)
}

async fn remove_credential(State(control): State<Control>, Path(id): Path<String>) -> Reply {
    found(control.remove_credential(&id), &format!("key {id}"))
}
