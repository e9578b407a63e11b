//! Sorting the ids of a batch write: which go ahead, which go into a set, and what fails the call as a whole.

use crate::errors::ApiError;
use crate::faults::Plan;
use crate::kinds::Kind;
use crate::settings::Refusal;

/// The ids of one call, sorted. Nothing is changed until all of them are judged, so an error leaves no trace.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdicts {
    pub accepted: Vec<String>,
    pub invalid: Vec<String>,
    pub failed: Vec<String>,
}

impl Verdicts {
    /// Refuses one id in the given way.
    pub fn refuse(&mut self, id: &str, refusal: &Refusal) -> Result<(), ApiError> {
        match refusal {
            Refusal::InvalidStatusSet => self.invalid.push(id.to_owned()),
            Refusal::OperationFailedSet => self.failed.push(id.to_owned()),
            Refusal::Error(code) => return Err(ApiError::about(code.clone(), id)),
        }
        Ok(())
    }

    /// Puts an id into a set if a fault says so.
    pub fn scripted(&mut self, id: &str, plan: &Plan) -> bool {
        let Some(hit) = plan.get(Kind::PartialSets) else { return false };
        let named = |list: &[String]| list.iter().any(|named| named == id);
        if named(&hit.parameters.invalid) {
            self.invalid.push(id.to_owned());
        } else if named(&hit.parameters.failed) {
            self.failed.push(id.to_owned());
        } else {
            return false;
        }
        true
    }
}
