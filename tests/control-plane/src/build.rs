//! One run of `go build`: guarded, shown, and taken only when it is whole.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use crate::error::{Error, Result};
use crate::guard::Guard;
use crate::progress::{Durations, Took, say};
use crate::recipe::{GO_ENVIRONMENT, Recipe};
use crate::watched::watch;

/// Builds `recipe` and moves the result to `binary`, which is in a folder of the file system of `cache`.
///
/// When the caller gives up or dies, Go and its compilers end and the half result goes.
pub(crate) async fn build(cache: &Path, recipe: &Recipe, toolchain: &str, binary: &Path) -> Result<()> {
    let durations = Durations::in_folder(cache);
    announce(recipe, toolchain, durations.last(recipe.binary))?;
    let guard = Guard::new(cache, "building").await?;
    let module = guard.folder().join("module");
    let write = |name: &str, text: &str| {
        let path = module.join(name);
        std::fs::write(&path, text).map_err(|error| Error::file("write", &path, error))
    };
    std::fs::create_dir(&module).map_err(|error| Error::file("make", &module, error))?;
    let scratch = guard.folder().join("scratch");
    std::fs::create_dir(&scratch).map_err(|error| Error::file("make", &scratch, error))?;
    write("go.mod", recipe.module.go_mod)?;
    write("go.sum", recipe.module.go_sum)?;

    let output = guard.folder().join(recipe.binary);
    let mut go = guard.command("go", Path::new("go"));
    go.args(recipe.arguments(&output)?).current_dir(&module);
    // Go removes its scratch folders itself, but not when it is killed.
    go.env("GOTMPDIR", &scratch).stdout(Stdio::null()).stderr(Stdio::piped());
    for (name, value) in GO_ENVIRONMENT {
        match value {
            Some(value) => go.env(name, value),
            None => go.env_remove(name),
        };
    }
    let mut go = go.spawn().map_err(|source| Error::Start { program: "go".into(), source })?;
    let took = watch(recipe.binary, &mut go).await?;
    take(&output, binary)?;
    durations.remember(recipe.binary, took);
    say(&format!("built {} in {}", recipe.binary, took.describe()));
    guard.end().await
}

fn announce(recipe: &Recipe, toolchain: &str, last: Option<Took>) -> Result<()> {
    let expected = match last {
        Some(took) => format!("the last build took {}", took.describe()),
        None => format!(
            "never built here before; without a build cache it takes about {} min on two cores",
            recipe.first_build_minutes
        ),
    };
    let version = recipe.module.version()?;
    say(&format!("building {} {version} from its Go module with {toolchain}; {expected}", recipe.binary));
    Ok(())
}

/// Moves a finished binary to its place. The content has to be on the disk before the name is: after a power cut
/// some file systems otherwise keep the name with nothing in it.
fn take(output: &Path, binary: &Path) -> Result<()> {
    File::open(output).and_then(|file| file.sync_all()).map_err(|error| Error::file("save", output, error))?;
    std::fs::rename(output, binary).map_err(|error| Error::file("make", binary, error))
}
