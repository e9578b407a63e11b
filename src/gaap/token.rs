//! One DestroyProxies request and its ClientToken.

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};

use crate::gaap::proxy::ProxyId;

/// Begins every token; the digit is the version of the encoding below.
const PREFIX: &str = "gaap1-";

/// A proxy in a request, and on whose behalf it is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// The proxy to destroy.
    pub proxy_id: ProxyId,
    /// Uid of the resource whose deletion asks for it.
    pub uid: String,
    /// Raised when an earlier attempt is known to have had no effect; only then may the token change.
    pub attempt: u32,
}

/// What is asked of DestroyProxies. Two equal values are the same request, down to the bytes on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DestroyRequest {
    force: bool,
    members: Vec<Member>,
}

impl DestroyRequest {
    /// A request for a set of members: their order does not matter, and a member given twice counts once.
    pub fn new(force: bool, mut members: Vec<Member>) -> Self {
        members.sort();
        members.dedup();
        Self { force, members }
    }

    /// `Force`: destroy also when origin servers are bound.
    pub fn force(&self) -> bool {
        self.force
    }

    /// The members in order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The ids in order.
    pub fn ids(&self) -> impl Iterator<Item = &ProxyId> {
        self.members.iter().map(|member| &member.proxy_id)
    }

    /// ClientToken: a pure function of the request, so that a resend after a timeout, a crash or from another
    /// replica carries the same token with no write before the first call. 58 of the 64 ASCII characters allowed.
    ///
    /// A digest instead of the parts themselves: they would not fit, and a uid is nobody's business in the cloud.
    pub fn client_token(&self) -> String {
        let digest = Sha256::digest(self.encoded());
        format!("{PREFIX}{}", BASE32_NOPAD.encode(&digest).to_lowercase())
    }

    /// Every variable part is preceded by its length, and every number has a fixed width, so no two requests share
    /// an encoding ("ab" + "c" is not "a" + "bc").
    fn encoded(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        let mut part = |part: &[u8]| {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        };
        part(PREFIX.as_bytes());
        part(&[u8::from(self.force)]);
        for Member { proxy_id, uid, attempt } in &self.members {
            part(proxy_id.as_str().as_bytes());
            part(uid.as_bytes());
            part(&attempt.to_be_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn member(id: &str, uid: &str, attempt: u32) -> Member {
        Member { proxy_id: id.parse().unwrap(), uid: uid.into(), attempt }
    }

    const UID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

    #[test]
    fn the_token_of_a_request_stays_the_same_across_versions_of_this_program() {
        // A change here is a change of protocol: a request sent by the version before is then sent again as another.
        let request = DestroyRequest::new(false, vec![member("link-11112222", UID, 0)]);
        assert_eq!(request.client_token(), "gaap1-xxnnlzblg7vdo54ypcc7rx4tune5h572xu3njunheieus3i74yuq");
    }

    #[test]
    fn the_ids_are_those_of_the_members_in_order() {
        let request = DestroyRequest::new(false, vec![member("link-2222", UID, 0), member("link-1111", UID, 0)]);
        assert_eq!(request.ids().map(ProxyId::as_str).collect::<Vec<_>>(), ["link-1111", "link-2222"]);
    }

    #[test]
    fn each_part_of_a_request_changes_the_token() {
        let requests = [
            DestroyRequest::new(false, vec![member("link-11112222", UID, 0)]),
            DestroyRequest::new(true, vec![member("link-11112222", UID, 0)]),
            DestroyRequest::new(false, vec![member("link-11112222", UID, 1)]),
            DestroyRequest::new(false, vec![member("link-11112223", UID, 0)]),
            DestroyRequest::new(false, vec![member("link-11112222", "another-uid", 0)]),
            DestroyRequest::new(false, vec![member("link-11112222", UID, 0), member("link-11113333", UID, 0)]),
            DestroyRequest::new(false, vec![]),
        ];
        let tokens: std::collections::HashSet<String> = requests.iter().map(DestroyRequest::client_token).collect();
        assert_eq!(tokens.len(), requests.len());
    }

    fn any_member() -> impl Strategy<Value = Member> {
        // Few letters, so that parts which could be shifted into one another do occur.
        ("link-[ab]{4,6}", "[ab\\x00]{0,4}", 0..3u32).prop_map(|(id, uid, attempt)| member(&id, &uid, attempt))
    }

    fn any_request() -> impl Strategy<Value = DestroyRequest> {
        (any::<bool>(), prop::collection::vec(any_member(), 0..4))
            .prop_map(|(force, members)| DestroyRequest::new(force, members))
    }

    proptest! {
        #[test]
        fn another_request_has_another_token(requests in prop::collection::vec(any_request(), 1..40)) {
            let mut seen: HashMap<String, DestroyRequest> = HashMap::new();
            for request in requests {
                let earlier = seen.insert(request.client_token(), request.clone());
                prop_assert!(earlier.is_none_or(|earlier| earlier == request));
            }
        }

        #[test]
        fn no_two_requests_share_an_encoding(a in any_request(), b in any_request()) {
            prop_assert_eq!(a == b, a.encoded() == b.encoded());
        }

        #[test]
        fn the_order_of_the_members_does_not_matter(
            force in any::<bool>(),
            (members, shuffled) in prop::collection::vec(any_member(), 0..6)
                .prop_flat_map(|members| (Just(members.clone()), Just(members).prop_shuffle())),
        ) {
            let (a, b) = (DestroyRequest::new(force, members), DestroyRequest::new(force, shuffled));
            prop_assert_eq!(a.client_token(), b.client_token());
        }

        #[test]
        fn a_token_fits_the_documented_form(request in any_request()) {
            let token = request.client_token();
            prop_assert!(token.len() <= 64 && token.is_ascii());
            prop_assert!(token.strip_prefix("gaap1-").unwrap().chars().all(|c| matches!(c, 'a'..='z' | '2'..='7')));
        }
    }
}
