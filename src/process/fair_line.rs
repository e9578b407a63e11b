//! A line in which groups take turns: one of the first group, one of the second, and so on (round robin).
//!
//! Whoever waits in a short line is served after at most one of each other group, however long the lines of the others
//! are. Within a group the first to come is the first served. Our own code, for the crates that share work fairly
//! cannot tell how many are ahead of one, or let one go from the middle of the line.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;

/// `G`: a group; `K`: who waits. Bounded by those who wait: a group that is empty is forgotten.
#[derive(Debug)]
pub struct FairLine<G, K> {
    /// The groups in the order of their turns.
    turns: VecDeque<G>,
    lines: HashMap<G, BTreeMap<u64, K>>,
    places: HashMap<K, (G, u64)>,
    tickets: u64,
}

impl<G, K> Default for FairLine<G, K> {
    fn default() -> Self {
        Self { turns: VecDeque::new(), lines: HashMap::new(), places: HashMap::new(), tickets: 0 }
    }
}

impl<G: Clone + Eq + Hash, K: Clone + Eq + Hash> FairLine<G, K> {
    /// Stands in line behind the others of the group; whoever does so already keeps the place, and the group.
    pub fn join(&mut self, group: &G, key: K) {
        if self.places.contains_key(&key) {
            return;
        }
        let ticket = self.tickets;
        self.tickets += 1;
        self.places.insert(key.clone(), (group.clone(), ticket));
        let line = self.lines.entry(group.clone()).or_default();
        if line.is_empty() {
            self.turns.push_back(group.clone());
        }
        line.insert(ticket, key);
    }

    /// How many will be served before this one if nobody else comes; none when it does not wait.
    pub fn ahead<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        let (group, ticket) = self.places.get(key)?;
        // Counted, not subtracted: those who left are still counted by the numbers.
        let own = self.lines.get(group)?.range(..ticket).count();
        let turn = self.turns.iter().position(|other| other == group)?;
        let others = self.turns.iter().enumerate().filter(|(place, _)| *place != turn).map(|(place, other)| {
            // In each round before the one of this key one of every other group, and in that round one of those before.
            let rounds = own + usize::from(place < turn);
            self.lines.get(other).map_or(0, |line| line.len().min(rounds))
        });
        Some(own + others.sum::<usize>())
    }

    /// The groups of those who wait, in the order of their turns.
    pub fn groups(&self) -> impl Iterator<Item = &G> {
        self.turns.iter()
    }

    /// Those of a group who wait, the next first.
    pub fn of(&self, group: &G) -> impl Iterator<Item = &K> {
        self.lines.get(group).into_iter().flat_map(BTreeMap::values)
    }

    /// Goes away without being served: the turn of the group stays as it is. Whether it waited.
    pub fn leave<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.take(key).is_some()
    }

    /// Was served: the next turn is another group's.
    pub fn served<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        let Some(group) = self.take(key) else { return };
        if let Some(place) = self.turns.iter().position(|other| *other == group)
            && let Some(group) = self.turns.remove(place)
        {
            self.turns.push_back(group);
        }
    }

    /// Serves the next one.
    pub fn pop(&mut self) -> Option<K> {
        self.pop_if(|_| true)
    }

    /// Serves the next one of this kind: of the first group in turn that has one.
    pub fn pop_if(&mut self, kind: impl Fn(&K) -> bool) -> Option<K> {
        let key = self.turns.iter().flat_map(|group| self.of(group)).find(|key| kind(key))?.clone();
        self.served(&key);
        Some(key)
    }

    fn take<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<G>
    where
        K: Borrow<Q>,
    {
        let (group, ticket) = self.places.remove(key)?;
        let line = self.lines.get_mut(&group)?;
        line.remove(&ticket);
        if line.is_empty() {
            self.lines.remove(&group);
            self.turns.retain(|other| *other != group);
        }
        Some(group)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(keys: &[(char, u32)]) -> FairLine<char, u32> {
        let mut line = FairLine::default();
        for (group, key) in keys {
            line.join(group, *key);
        }
        line
    }

    fn all(mut line: FairLine<char, u32>) -> Vec<u32> {
        std::iter::from_fn(|| line.pop()).collect()
    }

    #[test]
    fn groups_take_turns_and_within_a_group_the_first_to_come_is_the_first_served() {
        let line = line(&[('a', 1), ('a', 2), ('a', 3), ('b', 10), ('b', 11), ('c', 20)]);
        assert_eq!(all(line), [1, 10, 20, 2, 11, 3]);
    }

    #[test]
    fn the_next_of_a_kind_passes_the_others_and_takes_the_turn_of_its_group() {
        let mut line = line(&[('a', 1), ('a', 2), ('a', 4), ('b', 11), ('b', 12)]);
        assert_eq!(line.pop_if(|key| key % 2 == 0), Some(2));
        assert_eq!(line.pop_if(|key| key % 2 == 0), Some(12), "the other group's turn");
        assert_eq!(line.pop_if(|key| *key > 90), None);
        assert_eq!(all(line), [1, 11, 4], "who was passed keeps the place");
    }

    #[test]
    fn one_of_a_short_line_does_not_wait_for_a_long_one() {
        let mut line = FairLine::default();
        (0..1_000).for_each(|key| line.join(&'a', key));
        line.join(&'b', 5_000);
        assert_eq!(line.ahead(&5_000), Some(1));
        assert_eq!(line.ahead(&999), Some(1_000), "the others are one place further");
    }

    #[test]
    fn who_asks_again_keeps_the_place_and_who_left_is_not_counted() {
        let mut line = line(&[('a', 1), ('a', 2), ('a', 3)]);
        line.join(&'b', 2);
        assert_eq!(line.ahead(&2), Some(1));
        assert!(line.leave(&1) && !line.leave(&1));
        assert_eq!([line.ahead(&2), line.ahead(&3), line.ahead(&1)], [Some(0), Some(1), None]);
    }

    #[test]
    fn a_group_loses_its_turn_by_being_served_and_not_by_one_who_goes_away() {
        let mut line = line(&[('a', 1), ('a', 2), ('a', 3), ('b', 10)]);
        line.leave(&1);
        assert_eq!(line.ahead(&2), Some(0));
        line.served(&2);
        assert_eq!([line.ahead(&10), line.ahead(&3)], [Some(0), Some(1)]);
    }

    #[test]
    fn nothing_is_kept_of_groups_that_are_empty() {
        let mut line = line(&[('a', 1), ('b', 2)]);
        line.served(&1);
        line.leave(&2);
        assert!(line.turns.is_empty() && line.lines.is_empty() && line.places.is_empty());
    }

    #[derive(Clone, Debug)]
    enum Act {
        Join(char, u32),
        Leave(u32),
        Pop,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            4 => ((0..4u8), 0..40u32).prop_map(|(group, key)| Act::Join(char::from(b'a' + group), key)),
            1 => (0..40u32).prop_map(Act::Leave),
            2 => Just(Act::Pop),
        ];
        prop::collection::vec(act, 0..120)
    }

    proptest! {
        #[test]
        fn as_many_are_served_before_one_as_it_was_told(acts in acts()) {
            let mut line = FairLine::default();
            for act in acts {
                match act {
                    Act::Join(group, key) => line.join(&group, key),
                    Act::Leave(key) => { line.leave(&key); }
                    Act::Pop => { line.pop(); }
                }
            }
            let told: HashMap<u32, usize> = line.places.keys().map(|key| (*key, line.ahead(key).unwrap())).collect();
            for (place, key) in all(line).into_iter().enumerate() {
                prop_assert_eq!(told[&key], place);
            }
        }

        #[test]
        fn who_is_next_of_a_group_waits_for_at_most_one_of_each_other_group(acts in acts()) {
            let mut line = FairLine::default();
            let mut waited: HashMap<char, HashMap<char, u32>> = HashMap::new();
            for act in acts {
                match act {
                    Act::Join(group, key) => line.join(&group, key),
                    Act::Leave(key) => { line.leave(&key); }
                    Act::Pop => {
                        let before: Vec<char> = line.lines.keys().copied().collect();
                        let groups: HashMap<u32, char> = line.places.iter().map(|(key, (group, _))| (*key, *group)).collect();
                        let Some(served) = line.pop().map(|key| groups[&key]) else { continue };
                        waited.remove(&served);
                        for group in before.into_iter().filter(|group| *group != served) {
                            let times = waited.entry(group).or_default().entry(served).or_default();
                            *times += 1;
                            prop_assert!(*times <= 1, "{group} waits, and {served} was served again");
                        }
                    }
                }
                waited.retain(|group, _| line.lines.contains_key(group));
            }
        }
    }
}
