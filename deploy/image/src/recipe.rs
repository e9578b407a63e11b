//! The one list of what goes into an image. The Dockerfile says the same in its own words, and a test compares the two.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Error;

/// Stands for the folder with the built programs: it differs by target and by `CARGO_TARGET_DIR`.
const PROGRAMS: &str = "{programs}";

/// What an image is made of.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// User and group by number, for there is no user file.
    pub user: String,
    /// The program that runs, by its path in the image.
    pub entrypoint: Vec<String>,
    /// Labels, as `org.opencontainers.image.*`.
    pub labels: BTreeMap<String, String>,
    /// The files.
    pub files: Vec<File>,
}

/// One file of an image.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Where it comes from: a path from the root of the repository, or below `{programs}/`.
    pub from: String,
    /// Its path in the image.
    pub to: String,
    /// Its mode in octal, such as `0755`. Not the mode that it has on the machine, which differs with the umask.
    pub mode: String,
}

impl Recipe {
    /// Reads a recipe.
    ///
    /// # Errors
    /// A sentence that names the file and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read(path).map_err(Error::file("read", path))?;
        let wrong = |why| Error::Recipe { path: path.to_owned(), why };
        let recipe: Self = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        recipe.check().map_err(wrong)?;
        Ok(recipe)
    }

    fn check(&self) -> Result<(), String> {
        let mut names: Vec<&str> = self.files.iter().map(|file| file.to.as_str()).collect();
        names.sort_unstable();
        if let Some([twice, _]) = names.windows(2).find(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(format!("{twice} is listed twice"));
        }
        for file in &self.files {
            let plain = file.to.strip_prefix('/').filter(|rest| {
                !rest.is_empty() && rest.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
            });
            if plain.is_none() {
                return Err(format!("{} must be an absolute path without '.' and '..'", file.to));
            }
            file.mode()?;
        }
        match self.entrypoint.first() {
            Some(program) if names.contains(&program.as_str()) => Ok(()),
            Some(program) => Err(format!("the entrypoint {program} is none of the files")),
            None => Err("the entrypoint names no program".to_owned()),
        }
    }
}

impl File {
    /// Where it is on this machine.
    pub fn source(&self, root: &Path, programs: &Path) -> PathBuf {
        match self.from.strip_prefix(PROGRAMS).and_then(|rest| rest.strip_prefix('/')) {
            Some(name) => programs.join(name),
            None => root.join(&self.from),
        }
    }

    /// The mode as a number.
    ///
    /// # Errors
    /// If it is not octal or has more than the nine permission bits: a setuid program has no place in an image.
    pub fn mode(&self) -> Result<u32, String> {
        let wrong = || format!("the mode {:?} of {} must be octal, at most 0777", self.mode, self.to);
        let mode = u32::from_str_radix(&self.mode, 8).map_err(|_| wrong())?;
        if mode <= 0o777 { Ok(mode) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.json");
        std::fs::write(&path, text).unwrap();
        Recipe::read(&path).err().map(|error| error.to_string())
    }

    fn recipe(entrypoint: &str, files: &str) -> String {
        format!(r#"{{"user": "1:1", "entrypoint": [{entrypoint}], "labels": {{}}, "files": [{files}]}}"#)
    }

    #[test]
    fn the_recipes_of_this_repository_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        for name in ["gaap-operator", "gaap-simulator"] {
            let recipe = Recipe::read(&folder.join(format!("{name}.json"))).unwrap();
            assert_eq!(recipe.entrypoint, [format!("/{name}")]);
            assert_eq!(recipe.user, "65532:65532");
        }
    }

    #[test]
    fn a_wrong_recipe_is_refused_with_its_name_and_what_is_wrong() {
        let file = |to: &str, mode: &str| format!(r#"{{"from": "x", "to": "{to}", "mode": "{mode}"}}"#);
        let good = file("/a", "0755");
        assert_eq!(refusal(&recipe(r#""/a""#, &good)), None);
        for (text, words) in [
            (recipe(r#""/b""#, &good), "the entrypoint /b is none of the files"),
            (recipe("", &good), "names no program"),
            (recipe(r#""/a""#, &format!("{good}, {good}")), "/a is listed twice"),
            (recipe(r#""a""#, &file("a", "0755")), "absolute path"),
            (recipe(r#""/a""#, &file("/a/../b", "0755")), "absolute path"),
            (recipe(r#""/a""#, &file("/a", "4755")), "at most 0777"),
            (recipe(r#""/a""#, &file("/a", "rwx")), "octal"),
            (recipe(r#""/a""#, &good.replace("from", "form")), "unknown field `form`"),
        ] {
            let error = refusal(&text).unwrap();
            assert!(error.contains("image.json") && error.contains(words), "{error}");
        }
    }
}
