//! `image-archive`: see `scripts/image.sh`, which builds the programs first.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use image_archive::{Error, Image, Recipe, Reference, write};

/// Makes an archive of a container image that `docker load`, `podman load`, `ctr images import` and
/// `kind load image-archive` take.
#[derive(Parser)]
#[command(version, about)]
struct Options {
    /// What goes into the image, such as deploy/image/gaap-operator.json
    #[arg(long, value_name = "FILE")]
    recipe: PathBuf,
    /// Folder with the built programs
    #[arg(long, value_name = "FOLDER")]
    programs: PathBuf,
    /// Where the other files of the recipe are
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    root: PathBuf,
    /// Name and tag that the image is loaded under; repeat it for more [default: the recipe's name and this version]
    #[arg(long = "tag", value_name = "NAME:TAG")]
    tags: Vec<Reference>,
    /// The archive to write
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

fn run(options: &Options) -> Result<(), Error> {
    let recipe = Recipe::read(&options.recipe)?;
    let mut tags = options.tags.clone();
    if tags.is_empty() {
        let name = options.recipe.file_stem().unwrap_or_default().display();
        tags.push(format!("{name}:{}", env!("CARGO_PKG_VERSION")).parse()?);
    }
    let image = Image::make(&recipe, &options.root, &options.programs, &tags)?;
    write(&image, &options.output)?;
    println!("{}", options.output.display());
    for tag in &tags {
        println!("  name      {tag}");
    }
    println!("  platform  linux/{}", image.architecture);
    println!("  size      {} unpacked, {} as archive", megabytes(image.unpacked), megabytes(image.archive.len()));
    println!("  digest    {}", image.digest);
    Ok(())
}

/// Megabytes with one decimal, by integers: a size needs no floating point.
fn megabytes(bytes: usize) -> String {
    let tenths = (bytes + 50_000) / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("image-archive: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_make_sense() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }

    #[test]
    fn sizes_are_rounded_to_a_tenth_of_a_megabyte() {
        assert_eq!(
            [0, 49_999, 50_000, 9_960_000, 12_345_678].map(megabytes),
            ["0.0 MB", "0.0 MB", "0.1 MB", "10.0 MB", "12.3 MB"]
        );
    }
}
