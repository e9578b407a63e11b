//! From bytes to checked parameters: both request forms of API 3.0, one rule book for both.

use serde_json::{Map, Value};

use crate::errors::ApiError;
use crate::schema::{Action, Kind, Member};

/// Largest body of a POST signed with v3.
pub const MAXIMUM_BODY: usize = 10 * 1024 * 1024;
/// Largest query of a GET.
pub const MAXIMUM_QUERY: usize = 32 * 1024;

/// Parameters as sent, before any check.
pub type Raw = Map<String, Value>;

/// Decodes the parameters of a POST (JSON body) or GET (query).
///
/// # Errors
/// `InvalidRequest` for a body that is not a JSON object, `InvalidParameter` for a query that contradicts itself.
pub fn decode(method: &str, query: &str, body: &[u8]) -> Result<Raw, ApiError> {
    if method == "GET" {
        return unflatten(query);
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(ApiError::about("InvalidRequest", "the body is not a JSON object")),
        Err(error) => Err(ApiError::about("InvalidRequest", error.to_string())),
    }
}

/// `A.0=x&A.1=y&F.0.Name=n` as the JSON it stands for; list indices start at 0.
fn unflatten(query: &str) -> Result<Raw, ApiError> {
    let mut root = Value::Object(Map::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let mut place = &mut root;
        for step in name.split('.') {
            let Value::Object(members) = place else {
                return Err(ApiError::about("InvalidParameter", name.into_owned()));
            };
            place = members.entry(step.to_owned()).or_insert_with(|| Value::Object(Map::new()));
        }
        *place = Value::String(value.into_owned());
    }
    match listed(root) {
        Value::Object(members) => Ok(members),
        _ => Err(ApiError::new("InvalidParameter")),
    }
}

/// Objects whose member names are 0, 1, 2, … become lists.
fn listed(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let mut members: Vec<(String, Value)> = members.into_iter().map(|(name, value)| (name, listed(value))).collect();
    let is_list = !members.is_empty() && members.iter().all(|(name, _)| name.parse::<u32>().is_ok());
    if !is_list {
        return Value::Object(members.into_iter().collect());
    }
    members.sort_by_key(|(name, _)| name.parse::<u32>().unwrap_or(u32::MAX));
    Value::Array(members.into_iter().map(|(_, value)| value).collect())
}

/// Parameters that keep the rules of their action.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters(Raw);

impl Parameters {
    /// Checks names, presence and types. `from_query`: numbers arrive as text.
    ///
    /// # Errors
    /// `UnknownParameter`, `MissingParameter` or `InvalidParameter`, in this order, naming the parameter.
    pub fn check(raw: &Raw, action: &Action, from_query: bool) -> Result<Self, ApiError> {
        if let Some(unknown) = raw.keys().find(|name| !action.members.iter().any(|member| member.name == name.as_str()))
        {
            return Err(ApiError::about("UnknownParameter", unknown.clone()));
        }
        let mut checked = Map::new();
        for member in action.members {
            match raw.get(member.name) {
                // The service treats a null member like one that was not sent.
                None | Some(Value::Null) if member.required => {
                    return Err(ApiError::about("MissingParameter", member.name));
                }
                None | Some(Value::Null) => {}
                Some(value) => {
                    checked.insert(member.name.to_owned(), typed(member, value, from_query)?);
                }
            }
        }
        Ok(Self(checked))
    }

    /// An integer parameter.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(Value::as_i64)
    }

    /// A text parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A list of text; empty when it was not sent.
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.0.get(name).map(texts).unwrap_or_default()
    }

    /// `TagSet` or `Filters` as pairs of name and values.
    pub fn pairs(&self, name: &str) -> Vec<(String, Vec<String>)> {
        let list = self.0.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        list.iter()
            .map(|item| {
                let name = item.get("TagKey").or_else(|| item.get("Name")).and_then(Value::as_str);
                let values = item.get("TagValue").or_else(|| item.get("Values")).map(texts).unwrap_or_default();
                (name.unwrap_or_default().to_owned(), values)
            })
            .collect()
    }

    /// The canonical text of all parameters but one.
    pub fn without(&self, name: &str) -> String {
        let mut rest = self.0.clone();
        rest.remove(name);
        Value::Object(rest).to_string()
    }

    /// Whether the parameter was sent.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The ids of the call from `ProxyIds` or its old name `InstanceIds`, without repeats.
    ///
    /// # Errors
    /// `InvalidParameter` when both names are used (what the service does then is not documented; a caller that
    /// depends on it should notice), `InvalidParameterValue` for an id of impossible form.
    pub fn proxy_ids(&self) -> Result<Vec<String>, ApiError> {
        let (new, old) = (self.texts("ProxyIds"), self.texts("InstanceIds"));
        if !new.is_empty() && !old.is_empty() {
            return Err(ApiError::about("InvalidParameter", "ProxyIds and InstanceIds are two names of one parameter"));
        }
        let mut ids: Vec<String> = Vec::new();
        for id in new.into_iter().chain(old) {
            let suffix = id.strip_prefix("link-").unwrap_or_default();
            if suffix.is_empty() || id.len() > 64 || !suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(ApiError::about("InvalidParameterValue", format!("`{id}` is not the id of a connection")));
            }
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    /// The token, at most 64 ASCII characters.
    ///
    /// # Errors
    /// `InvalidParameterValue` for a longer one or one with other characters.
    pub fn client_token(&self) -> Result<Option<String>, ApiError> {
        match self.text("ClientToken") {
            Some(token) if token.len() > 64 || !token.is_ascii() => {
                Err(ApiError::about("InvalidParameterValue", "ClientToken holds at most 64 ASCII characters"))
            }
            token => Ok(token.filter(|token| !token.is_empty()).map(str::to_owned)),
        }
    }
}

/// The ids a request names, for the log and for matching faults, also when the request is wrong in other ways.
pub fn named_ids(raw: &Raw) -> Vec<String> {
    ["ProxyIds", "InstanceIds"].iter().filter_map(|name| raw.get(*name)).flat_map(texts).collect()
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::String(text) => vec![text.clone()],
        _ => Vec::new(),
    }
}

fn typed(member: &Member, value: &Value, from_query: bool) -> Result<Value, ApiError> {
    let wrong =
        || ApiError::about("InvalidParameter", format!("the type of the value of {} is not valid", member.name));
    let is_text_list = |value: &Value| value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
    let has_members = |value: &Value, name: &str, values: &str, is_valid: &dyn Fn(&Value) -> bool| {
        value.as_array().is_some_and(|items| {
            items.iter().all(|item| {
                item.as_object().is_some_and(|members| members.keys().all(|key| key == name || key == values))
                    && item.get(name).is_some_and(Value::is_string)
                    && item.get(values).is_some_and(is_valid)
            })
        })
    };
    let fits = match member.kind {
        Kind::Integer if from_query => {
            let number: i64 = value.as_str().and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
            return Ok(Value::from(number));
        }
        Kind::Integer => value.is_i64(),
        Kind::Text => value.is_string(),
        Kind::Texts => is_text_list(value),
        Kind::Tags => has_members(value, "TagKey", "TagValue", &Value::is_string),
        Kind::Filters => has_members(value, "Name", "Values", &is_text_list),
    };
    if fits { Ok(value.clone()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::action;
    use serde_json::json;

    fn check(name: &str, body: Value) -> Result<Parameters, ApiError> {
        let raw = decode("POST", "", body.to_string().as_bytes())?;
        Parameters::check(&raw, action(name).expect("a known action"), false)
    }

    #[test]
    fn a_query_and_a_body_say_the_same() {
        let query = "Limit=5&Filters.0.Name=GroupId&Filters.0.Values.0=lg-1&TagSet.0.TagKey=k&TagSet.0.TagValue=a+b";
        let body = json!({"Limit": 5, "Filters": [{"Name": "GroupId", "Values": ["lg-1"]}],
                          "TagSet": [{"TagKey": "k", "TagValue": "a b"}]});
        let raw = decode("GET", query, b"").expect("a query");
        let action = action("DescribeProxies").expect("a known action");
        let from_query = Parameters::check(&raw, action, true).expect("documented parameters");
        assert_eq!(from_query, check("DescribeProxies", body).expect("documented parameters"));
    }

    #[test]
    fn list_members_of_a_query_keep_the_order_of_their_numbers() {
        let query: Vec<String> = (0..12).rev().map(|index| format!("ProxyIds.{index}=link-{index:08}")).collect();
        let raw = decode("GET", &query.join("&"), b"").expect("a query");
        let expected: Vec<String> = (0..12).map(|index| format!("link-{index:08}")).collect();
        assert_eq!(named_ids(&raw), expected);
    }

    #[test]
    fn undocumented_missing_and_mistyped_parameters_are_told_apart() {
        for (body, code) in [
            (json!({"Force": 0, "ProxyIds": ["link-11112222"], "DryRun": true}), "UnknownParameter"),
            (json!({"ProxyIds": ["link-11112222"]}), "MissingParameter"),
            (json!({"Force": null, "ProxyIds": ["link-11112222"]}), "MissingParameter"),
            (json!({"Force": "1", "ProxyIds": ["link-11112222"]}), "InvalidParameter"),
            (json!({"Force": true, "ProxyIds": ["link-11112222"]}), "InvalidParameter"),
            (json!({"Force": 1.5, "ProxyIds": ["link-11112222"]}), "InvalidParameter"),
            (json!({"Force": 1, "ProxyIds": "link-11112222"}), "InvalidParameter"),
            (json!({"Force": 1, "ProxyIds": [7]}), "InvalidParameter"),
        ] {
            assert_eq!(check("DestroyProxies", body.clone()).expect_err("a wrong request").code, code, "{body}");
        }
    }

    #[test]
    fn a_body_that_is_no_object_is_an_invalid_request() {
        for body in ["", "[]", "7", "{", "null"] {
            assert_eq!(decode("POST", "", body.as_bytes()).expect_err("no object").code, "InvalidRequest");
        }
    }

    #[test]
    fn ids_come_from_either_name_but_not_from_both() {
        let old = check("DestroyProxies", json!({"Force": 0, "InstanceIds": ["link-1a", "link-1a"]})).expect("valid");
        assert_eq!(old.proxy_ids().expect("ids"), ["link-1a"]);
        let both = check("DestroyProxies", json!({"Force": 0, "InstanceIds": ["link-1a"], "ProxyIds": ["link-1b"]}));
        assert_eq!(both.expect("valid types").proxy_ids().expect_err("both names").code, "InvalidParameter");
        let odd = check("DestroyProxies", json!({"Force": 0, "ProxyIds": ["lb-1"]})).expect("valid types");
        assert_eq!(odd.proxy_ids().expect_err("another product's id").code, "InvalidParameterValue");
    }

    #[test]
    fn a_token_of_65_characters_or_with_a_letter_outside_ascii_is_refused() {
        let token = |token: &str| {
            let body = json!({"Force": 0, "ProxyIds": ["link-1a"], "ClientToken": token});
            check("DestroyProxies", body).expect("valid types").client_token()
        };
        assert!(token(&"x".repeat(64)).is_ok());
        assert_eq!(token(&"x".repeat(65)).expect_err("too long").code, "InvalidParameterValue");
        assert_eq!(token("é").expect_err("not ASCII").code, "InvalidParameterValue");
    }
}
