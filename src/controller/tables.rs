//! Tables that follow the number of resources, down as well as up.

use std::collections::HashMap;
use std::hash::Hash;

/// Entries for which it is not worth the trouble.
const SMALL: usize = 64;

/// Gives back the memory of a table that has become nearly empty: after a mass deletion it would stay as large as it
/// ever was. A quarter and not a half, so that a table at the limit does not shrink and grow in turns.
pub fn give_back<K: Eq + Hash, V>(table: &mut HashMap<K, V>) {
    if table.capacity() > SMALL && table.len() < table.capacity() / 4 {
        table.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_becomes_empty_gives_its_memory_back() {
        let mut table: HashMap<u32, u32> = (0..10_000).map(|number| (number, number)).collect();
        for number in 0..9_990 {
            table.remove(&number);
            give_back(&mut table);
        }
        assert!(table.capacity() < 256 && table.len() == 10);
    }
}
