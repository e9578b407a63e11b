//! Performing one action: users, the life of the two processes, time. What meets the cloud is in `wire`.

use std::sync::Arc;

use gaap_operator::controller::memory::Memory;
use gaap_operator::crd::DeletionPolicy;

use crate::action::Action;
use crate::clock::BEGIN_UNIX;
use crate::cloud::Whose;
use crate::operator::{Report, answer_look, answer_send, reconcile};
use crate::protocol::Protocol;
use crate::scenario::{SLOTS, User};
use crate::state::{Operator, State, Told, Work};

impl State {
    /// Performs an action. None: it does nothing here.
    pub fn after(&self, protocol: &Protocol, action: Action) -> Option<State> {
        let mut state = self.clone();
        if let Some(fault) = action.fault() {
            state.faults_left = state.faults_left.checked_sub(1)?;
            state.first_fault = state.first_fault.or(Some(fault));
        }
        state.act(protocol, action)?;
        Some(state)
    }

    /// As `after`, in place, and without counting faults. Tells what a reconcile did.
    pub fn act(&mut self, protocol: &Protocol, action: Action) -> Option<Report> {
        match action {
            Action::User(line) => self.user(line)?,
            Action::Mode(mode) => self.mode = Some(mode),
            Action::Reconcile(operator, slot) => {
                let report = reconcile(self, protocol, operator, slot);
                let own = &mut self.operators[operator];
                if own.late && !matches!(own.work[slot], Work::Sending { .. }) {
                    own.work[slot] = Work::Idle;
                }
                return report;
            }
            Action::WriteAnswerLost(operator, slot) => {
                if !reconcile(self, protocol, operator, slot)?.wrote {
                    return None;
                }
                self.operators[operator].work[slot] = Work::Idle;
            }
            Action::Look(operator, slot, sight) => answer_look(self, protocol, operator, slot, sight),
            Action::Deliver(place, delivery) => self.deliver(protocol, place, delivery)?,
            Action::Arrive(place) => {
                let copy = self.wire.remove(place);
                answer_send(self, protocol, copy.waiting?, copy.slot, copy.answer?);
            }
            Action::Crash(operator) => self.end(operator),
            Action::Stop(operator) => {
                self.end(operator);
                self.catch_up(operator);
            }
            Action::Lead(operator) => self.lead(operator),
            Action::LeadOver(operator) => {
                self.operators[1 - operator].late = true;
                self.lead(operator);
            }
            Action::BothLead(operator) => {
                self.split = true;
                // Of all pairs with this one only those whose first is another: the lease rules it out anyway.
                self.faults_left = 0;
                self.lead(operator);
            }
            Action::List(operator, slot) => self.deliver_event(operator, slot),
            Action::Listed(operator) | Action::Thaw(operator) => self.catch_up(operator),
            Action::Freeze(operator) => self.operators[operator].frozen = Some(self.clock.tick),
            Action::OtherAccount(operator) => self.exchange(operator, Whose::Others),
            Action::OwnAccount(operator) => self.exchange(operator, Whose::Ours),
            Action::Cloud(proxy, step) => self.cloud(proxy, step),
            Action::Tick => {
                self.clock.advance();
                let tick = self.clock.tick;
                // A request that did not arrive within its deadline never does.
                self.wire.retain(|copy| copy.sent + 1 >= tick);
            }
        }
        Some(Report::default())
    }

    fn user(&mut self, line: usize) -> Option<()> {
        let user = self.next_user(line)?;
        self.done[line] += 1;
        let (User::Create(slot)
        | User::Delete(slot)
        | User::Force(slot)
        | User::Retain(slot)
        | User::Pause(slot)
        | User::Unpause(slot)) = user;
        if let User::Create(slot) = user {
            let made = self.made(slot);
            self.put(slot, Some(made));
            return Some(());
        }
        // Gone already: the user is too late.
        let Some(stored) = self.store[slot].clone() else { return Some(()) };
        let mut resource = (*stored.resource).clone();
        match user {
            User::Create(_) => {}
            User::Delete(_) => {
                resource.deleted = Some(BEGIN_UNIX);
                resource.generation += 1;
            }
            User::Force(_) => {
                resource.force = true;
                resource.generation += 1;
            }
            User::Retain(_) => {
                resource.policy = DeletionPolicy::Retain;
                resource.generation += 1;
            }
            User::Pause(_) => resource.paused = true,
            User::Unpause(_) => resource.paused = false,
        }
        self.put(slot, Some(resource));
        Some(())
    }

    /// The process ends: what it remembers and whom it waits for is lost; what it sent is not.
    fn end(&mut self, number: usize) {
        let operator = &mut self.operators[number];
        *operator = Operator {
            acting: false,
            late: false,
            listed: false,
            frozen: None,
            leads_since: 0,
            whose: operator.whose,
            cache: [const { None }; SLOTS],
            dropped: [false; SLOTS],
            memory: [const { None }; SLOTS],
            work: [const { Work::Idle }; SLOTS],
            told: [Told::Nothing; SLOTS],
        };
        self.wire.retain(|copy| copy.waiting != Some(number) || copy.answer.is_none());
        for copy in &mut self.wire {
            copy.waiting = copy.waiting.filter(|waiting| *waiting != number);
        }
    }

    fn lead(&mut self, number: usize) {
        let now = self.clock.stamp();
        let tick = self.clock.tick;
        let operator = &mut self.operators[number];
        operator.acting = true;
        operator.leads_since = tick;
        for slot in 0..SLOTS {
            // As Memories::meet of a standby, then Memories::start_anew.
            operator.memory[slot] = operator.cache[slot]
                .as_ref()
                .map(|version| Memory::begin(now, version.resource.deleted.is_some()).into());
        }
        let other = 1 - number;
        if !self.operators[other].acting && !self.operators[other].listed {
            self.catch_up(other);
        }
    }

    /// The watch delivers everything.
    fn catch_up(&mut self, operator: usize) {
        self.operators[operator].frozen = None;
        self.operators[operator].listed = true;
        for slot in 0..SLOTS {
            if self.operators[operator].cache[slot] != self.store[slot] {
                self.deliver_event(operator, slot);
            }
        }
    }

    fn exchange(&mut self, operator: usize, whose: Whose) {
        let operator = &mut self.operators[operator];
        operator.whose = whose;
        for memory in operator.memory.iter_mut().flatten() {
            Arc::make_mut(memory).lift_holds();
        }
    }
}
