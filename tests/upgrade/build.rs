//! Unpacks the earlier sources and makes a crate root of them.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=previous.tar.gz");
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "program")]
    unpack()?;
    Ok(())
}

#[cfg(feature = "program")]
fn unpack() -> Result<(), Box<dyn std::error::Error>> {
    use std::path::Path;

    let out = std::env::var("OUT_DIR")?;
    let source = Path::new(&out).join("src");
    // Nothing may be left of another archive.
    if source.exists() {
        std::fs::remove_dir_all(&source)?;
    }
    let archive = std::fs::File::open("previous.tar.gz")?;
    tar::Archive::new(flate2::read::GzDecoder::new(archive)).unpack(&out)?;

    // The package of those days was a library and a program. Two libraries of one name in one workspace would fight for
    // a file in the target folder, so both become one program: the library its root, the program a module.
    let library = std::fs::read_to_string(source.join("lib.rs"))?;
    let modules: Vec<&str> = library.lines().filter(|line| !line.starts_with("//!")).collect();
    let root = format!(
        "{}\n#[path = \"main.rs\"]\nmod front_door;\nfn main() -> std::process::ExitCode {{ front_door::main() }}\n",
        modules.join("\n")
    );
    std::fs::write(source.join("root.rs"), root)?;
    let front_door = source.join("main.rs");
    let program = std::fs::read_to_string(&front_door)?;
    if !program.contains("\nfn main() -> ExitCode") {
        return Err("src/main.rs of the archive has another main than build.rs expects".into());
    }
    std::fs::write(front_door, program.replacen("\nfn main()", "\npub fn main()", 1))?;
    Ok(())
}
