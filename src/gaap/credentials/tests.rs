use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn environment(pairs: &[(&str, &str)]) -> CredentialsSource {
    let map: HashMap<String, OsString> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
    CredentialsSource::Environment(Arc::new(move |name| map.get(name).cloned()))
}

fn directory(files: &[(&str, &[u8])]) -> (tempfile::TempDir, CredentialsSource) {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(directory.path().join(name), content).unwrap();
    }
    let source = CredentialsSource::Directory(directory.path().to_owned());
    (directory, source)
}

#[test]
fn the_environment_gives_a_key_and_either_name_of_the_token() {
    let source = environment(&[(ID, "AKIDx"), (KEY, "sekret")]);
    let credentials = source.load().unwrap();
    assert_eq!((credentials.secret_id(), credentials.secret_key(), credentials.token()), ("AKIDx", "sekret", None));
    for name in TOKENS {
        let source = environment(&[(ID, "AKIDx"), (KEY, "sekret"), (name, "tok")]);
        assert_eq!(source.load().unwrap().token(), Some("tok"), "{name}");
    }
    let source = environment(&[(ID, "AKIDx"), (KEY, "sekret"), (TOKENS[0], ""), (TOKENS[1], "tok")]);
    assert_eq!(source.load().unwrap().token(), Some("tok"), "an empty variable is as good as none");
}

#[test]
fn what_is_missing_in_the_environment_is_named() {
    let says = |source: CredentialsSource| source.load().unwrap_err().to_string();
    assert!(says(environment(&[])).contains(ID));
    assert!(says(environment(&[(ID, "AKIDx")])).contains(KEY));
    assert!(says(environment(&[(ID, "AKIDx"), (KEY, "")])).contains("TENCENTCLOUD_SECRET_KEY is empty"));
    assert!(says(environment(&[(ID, " AKIDx"), (KEY, "sekret")])).contains("TENCENTCLOUD_SECRET_ID has blanks"));
}

#[test]
fn a_wrong_file_is_named_and_its_content_is_not() {
    type Files<'a> = &'a [(&'a str, &'a [u8])];
    let good: (&str, &[u8]) = ("secretId", b"AKIDx");
    let cases: [(Files<'_>, &str); 9] = [
        (&[], "secretId does not exist"),
        (&[good], "secretKey does not exist"),
        (&[good, ("secretKey", b"")], "secretKey is empty"),
        (&[good, ("secretKey", b"canary\n")], "secretKey has blanks or a line end"),
        (&[good, ("secretKey", b"\tcanary")], "secretKey has blanks"),
        (&[good, ("secretKey", b"can\nary")], "secretKey holds characters"),
        (&[good, ("secretKey", b"canary\xff")], "secretKey is not UTF-8"),
        (&[good, ("secretKey", b"canary"), ("token", b"")], "token is empty"),
        (&[good, ("secretKey", &[b'c'; 20_000])], "secretKey is larger"),
    ];
    for (files, says) in cases {
        let (_guard, source) = directory(files);
        let error = source.load().unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
        assert!(!error.contains("canary"), "{error}");
    }
    let (guard, source) = directory(&[good]);
    fs::create_dir(guard.path().join("secretKey")).unwrap();
    assert!(source.load().unwrap_err().to_string().contains("secretKey cannot be read"));
}

#[test]
fn a_swapped_secret_is_read_as_a_whole() {
    let (guard, source) = directory(&[]);
    for (version, key) in [("..1", "one"), ("..2", "two")] {
        let path = guard.path().join(version);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("secretId"), format!("AKID{key}")).unwrap();
        fs::write(path.join("secretKey"), format!("sekret{key}")).unwrap();
    }
    symlink("..1", guard.path().join("..data")).unwrap();
    for name in ["secretId", "secretKey"] {
        symlink(Path::new("..data").join(name), guard.path().join(name)).unwrap();
    }
    assert_eq!(source.load().unwrap().secret_key(), "sekretone");
    symlink("..2", guard.path().join("..tmp")).unwrap();
    fs::rename(guard.path().join("..tmp"), guard.path().join("..data")).unwrap();
    // As a reader in the middle of a swap would find it.
    fs::remove_file(guard.path().join("secretKey")).unwrap();
    symlink("..1/secretKey", guard.path().join("secretKey")).unwrap();
    let credentials = source.load().unwrap();
    assert_eq!((credentials.secret_id(), credentials.secret_key()), ("AKIDtwo", "sekrettwo"));
}

#[test]
fn credentials_cannot_be_printed_and_are_taken_out_of_foreign_texts() {
    let credentials = Credentials::new("AKIDcanary".into(), "keycanary".into(), Some("tokencanary".into())).unwrap();
    let shown =
        format!("{credentials:?} {:#?} {:?}", credentials.values.secret_key, environment(&[(KEY, "keycanary")]));
    assert!(!shown.contains("canary"), "{shown}");
    let echoed = "Authorization: AKIDcanary/x tokencanary keycanary";
    assert_eq!(credentials.scrub(echoed), "Authorization: ***/x *** ***");
}
