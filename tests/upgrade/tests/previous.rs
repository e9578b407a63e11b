//! The earlier operator is what it is taken for: a program of its own, whose resource the present one still has.

use std::process::Command;

/// Every field of the earlier CRD's schema, as `.spec.force: boolean`.
fn fields(crd: &str) -> Vec<String> {
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut found = Vec::new();
    for line in crd.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let indent = line.len() - line.trim_start().len();
        let Some((key, value)) = line.trim_start().trim_start_matches("- ").split_once(':') else { continue };
        path.retain(|(other, _)| *other < indent);
        let parents: Vec<&str> = path.iter().map(|(_, key)| key.as_str()).collect();
        if key == "type" && parents.contains(&"openAPIV3Schema") {
            found.push(format!("{}: {}", parents.join("."), value.trim()));
        }
        path.push((indent, key.to_owned()));
    }
    found
}

#[test]
fn every_field_of_the_earlier_resource_is_still_there_with_its_type() {
    let output = Command::new(env!("CARGO_BIN_EXE_gaap-operator-previous")).arg("crd").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let earlier = fields(&String::from_utf8(output.stdout).unwrap());
    let present = fields(&gaap_operator::crd::yaml().unwrap());
    assert!(earlier.len() > 20, "{earlier:?}");
    let lost: Vec<_> = earlier.iter().filter(|field| !present.contains(field)).collect();
    assert!(lost.is_empty(), "stored objects have fields that the present operator does not know: {lost:?}");
}
