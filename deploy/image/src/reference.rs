//! Names of images, short and in full.
//!
//! containerd knows images by their full name only, and the kubelet asks it for `docker.io/library/gaap-operator:0.1.0`
//! when a pod says `gaap-operator:0.1.0`. An archive that carried the short name would be loaded and never found.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// Name and tag of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    name: String,
    tag: String,
}

impl Reference {
    /// The tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// With its registry: `docker.io` and, for a name of one part, `library` where none is named, as every client of
    /// Docker's registry completes it.
    pub fn full(&self) -> String {
        let registry = self.name.split_once('/').map(|(first, _)| first).filter(|first| {
            // A first part without any of these is an account of Docker's registry.
            first.contains(['.', ':']) || *first == "localhost"
        });
        match registry {
            Some(_) => self.to_string(),
            None if self.name.contains('/') => format!("docker.io/{self}"),
            None => format!("docker.io/library/{self}"),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.tag)
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why| Error::Reference { text: text.to_owned(), why };
        // The last colon behind the last slash: a registry may have a port.
        let (name, tag) = match text.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => return Err(wrong("the tag is missing")),
        };
        let in_tag = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
        if tag.is_empty() || tag.len() > 128 || tag.starts_with(['.', '-']) || !tag.chars().all(in_tag) {
            return Err(wrong(
                "the tag has letters, digits, '_', '.' and '-', at most 128, and begins with none of '.-'",
            ));
        }
        let in_name = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "._-:".contains(letter);
        if !name.split('/').all(|part| !part.is_empty() && part.chars().all(in_name)) {
            return Err(wrong("the name has lower-case letters, digits, '.', '_', '-' and '/'"));
        }
        Ok(Self { name: name.to_owned(), tag: tag.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_completed_as_the_kubelet_completes_it() {
        for (text, full) in [
            ("gaap-operator:0.1.0", "docker.io/library/gaap-operator:0.1.0"),
            ("team/gaap-operator:0.1.0", "docker.io/team/gaap-operator:0.1.0"),
            ("localhost/gaap-operator:1", "localhost/gaap-operator:1"),
            ("registry.example.com/team/gaap:1", "registry.example.com/team/gaap:1"),
            ("registry:5000/gaap:1_b.c-d", "registry:5000/gaap:1_b.c-d"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!((reference.to_string().as_str(), reference.full().as_str()), (text, full));
        }
    }

    #[test]
    fn what_is_no_name_with_tag_is_refused() {
        for text in
            ["gaap", "registry:5000/gaap", "gaap:", "Gaap:1", "gaap:a b", "gaap:.1", "/gaap:1", "a//b:1", "a@b:1"]
        {
            let error = text.parse::<Reference>().unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
