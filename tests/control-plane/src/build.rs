//! One run of `go build`, for one binary or several of a module: guarded, shown, and taken only when it is whole.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use crate::error::{Error, Result};
use crate::guard::Guard;
use crate::progress::{Durations, Took, say};
use crate::recipe::{GO_ENVIRONMENT, Module, Recipe, arguments};
use crate::watched::watch;

/// Builds `recipes`, all of one module, and moves the results into `folder`, in the file system of `cache`.
///
/// When the caller gives up or dies, Go and its compilers end and the half results go.
pub(crate) async fn build(cache: &Path, recipes: &[&Recipe], toolchain: &str, folder: &Path) -> Result<()> {
    let Some(module) = recipes.first().map(|recipe| recipe.module) else { return Ok(()) };
    let what = recipes.iter().map(|recipe| recipe.binary).collect::<Vec<_>>().join(", ");
    let durations = Durations::in_folder(cache);
    announce(&what, recipes, module, toolchain, durations.last(&what))?;
    let guard = Guard::new(cache, "building").await?;
    let make = |name: &str| {
        let path = guard.folder().join(name);
        std::fs::create_dir(&path).map_err(|error| Error::file("make", &path, error)).map(|()| path)
    };
    let (sources, scratch, output) = (make("module")?, make("scratch")?, make("output")?);
    write_module(module, &sources)?;

    let mut go = guard.command("go", Path::new("go"));
    go.args(arguments(recipes, &output)?).current_dir(&sources);
    // Go removes its scratch folders itself, but not when it is killed.
    go.env("GOTMPDIR", &scratch).stdout(Stdio::null()).stderr(Stdio::piped());
    for (name, value) in GO_ENVIRONMENT {
        match value {
            Some(value) => go.env(name, value),
            None => go.env_remove(name),
        };
    }
    let mut go = go.spawn().map_err(|source| Error::Start { program: "go".into(), source })?;
    let took = watch(&what, &mut go).await?;
    for recipe in recipes {
        take(&output.join(recipe.binary), &folder.join(recipe.binary))?;
    }
    durations.remember(&what, took);
    say(&format!("built {what} in {}", took.describe()));
    guard.end().await
}

fn write_module(module: &Module, folder: &Path) -> Result<()> {
    let files = [("go.mod", Some(module.go_mod)), ("go.sum", Some(module.go_sum)), ("main.go", module.source)];
    for (name, text) in files {
        let path = folder.join(name);
        if let Some(text) = text {
            std::fs::write(&path, text).map_err(|error| Error::file("write", &path, error))?;
        }
    }
    Ok(())
}

fn announce(what: &str, recipes: &[&Recipe], module: &Module, toolchain: &str, last: Option<Took>) -> Result<()> {
    let expected = match last {
        Some(took) => format!("the last build took {}", took.describe()),
        None => format!(
            "never built here before; without a build cache it takes about {} min on two cores",
            recipes.iter().map(|recipe| recipe.first_build_minutes).sum::<u32>()
        ),
    };
    let version = module.version()?;
    let its = if recipes.len() > 1 { "their" } else { "its" };
    say(&format!("building {what} {version} from {its} Go module with {toolchain}; {expected}"));
    Ok(())
}

/// Moves a finished binary to its place. The content has to be on the disk before the name is: after a power cut
/// some file systems otherwise keep the name with nothing in it.
fn take(output: &Path, binary: &Path) -> Result<()> {
    File::open(output).and_then(|file| file.sync_all()).map_err(|error| Error::file("save", output, error))?;
    std::fs::rename(output, binary).map_err(|error| Error::file("make", binary, error))
}
