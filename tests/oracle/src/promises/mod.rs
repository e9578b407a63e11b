//! One file a promise: what it means in terms of the two logs.

mod s01_authority;
mod s02_absence;
mod s03_resend;
mod s04_token;
mod s05_exclusive;
mod s06_one_leader;
mod s07_uid;
mod s08_hands_off;
mod s09_force;
mod s10_bound;
mod s11_first_list;
mod s14_rate;
mod s15_status;
mod s15_texts;
mod s16_effect;
mod s17_wait;

use crate::audit::Call;
use crate::case::Case;
use crate::cloud::{Request, Sight};
use crate::report::{Evidence, Report};
use crate::sends::{Read, Send};

/// Judges every promise.
pub(crate) fn check_all(case: &Case<'_>, report: &mut Report) {
    s01_authority::check(case, report);
    s02_absence::check(case, report);
    s03_resend::check(case, report);
    s04_token::check(case, report);
    s05_exclusive::check(case, report);
    s06_one_leader::check(case, report);
    s07_uid::check(case, report);
    s08_hands_off::check(case, report);
    s09_force::check(case, report);
    s10_bound::check(case, report);
    s11_first_list::check(case, report);
    s14_rate::check(case, report);
    s15_status::check(case, report);
    s15_texts::check(case, report);
    s16_effect::check(case, report);
    s17_wait::check(case, report);
}

impl<'a> Case<'a> {
    /// The sends with their requests.
    fn sent(&self) -> impl Iterator<Item = (&Send<'a>, &Request<'a>)> {
        self.sends.iter().filter_map(|send| Some((send, send.request(self.cloud)?)))
    }

    /// For a reader: the resource it was sent for, else the id.
    fn subject(&self, send: &Send<'a>) -> String {
        let object = send.uid.and_then(|uid| self.history.object(uid));
        object.map_or_else(|| send.id.to_owned(), |object| object.subject())
    }

    fn show(&self, call: &Call<'_>) -> Evidence {
        call.evidence(self.context)
    }

    fn show_request(&self, request: &Request<'_>) -> Evidence {
        request.evidence(self.context)
    }

    /// The request, and the read it was made from.
    fn show_send(&self, send: &Send<'a>, request: &Request<'a>) -> Vec<Evidence> {
        let read = send.read.and_then(|read| self.call_of(&read));
        read.map(|call| self.show(call)).into_iter().chain([self.show_request(request)]).collect()
    }

    fn call_of(&self, read: &Read<'a>) -> Option<&Call<'a>> {
        self.audit.calls.iter().find(|call| call.number == read.number)
    }

    /// The newest look at the proxy that the operator surely knew when it sent.
    fn known_look(&self, send: &Send<'a>, request: &Request<'a>) -> Option<(&Request<'a>, Sight<'a>)> {
        let known_by = request.time.minus(self.context.tolerance.delivery);
        self.cloud
            .looks(send.id)
            .filter(|(look, _)| look.answer.certain && look.answer.decided <= known_by)
            .max_by_key(|(look, _)| look.answer.decided)
    }
}
