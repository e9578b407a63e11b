//! x
fn main() { println!("{}", gaap_operator::crd::yaml().unwrap()); }
