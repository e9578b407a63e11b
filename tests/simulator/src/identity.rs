//! sts GetCallerIdentity.

use serde_json::json;

use crate::effect::Effect;
use crate::world::Call;

/// Tells the caller which account its key belongs to. Every key counts as one of the root account.
pub(crate) fn caller(call: Call<'_>) -> Effect {
    let uin = call.account;
    Effect::answering(json!({
        "Arn": format!("qcs::cam::uin/{uin}:uin/{uin}"),
        "AccountId": uin,
        "UserId": uin,
        "PrincipalId": uin,
        "Type": "CAMUser",
    }))
}
