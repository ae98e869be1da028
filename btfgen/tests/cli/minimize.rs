//! `btfgen minimize`.

use btfgen_core::btf::{Btf, Kind, StrOffset};

use crate::harness::{Folder, kernel, object};

const AMD64: &str = "debian/12/x86_64/6.1.0-50-amd64";

/// The names of the structs in a BTF.
fn structs(bytes: &[u8]) -> Vec<String> {
    let btf = Btf::parse(bytes).unwrap();
    let named = btf.types().filter(|raw| raw.kind == Kind::Struct && raw.name_off != StrOffset::EMPTY);
    named.map(|raw| String::from_utf8(btf.string(raw.name_off).unwrap().to_vec()).unwrap()).collect()
}

#[test]
fn minimizes_every_form() {
    let folder = Folder::new();
    let (packed, object) = (kernel(AMD64), object("opensnoop"));
    let raw = folder.file("raw.btf", &*btfgen_core::files::read_btf(&packed).unwrap());
    assert_eq!(folder.done(&format!("minimize {} -o a.btf {}", packed.display(), object.display())), "");
    let minimized = folder.read("a.btf");
    assert!(structs(&minimized).contains(&"task_struct".to_owned()));
    assert!(minimized.len() < 20_000, "{}", minimized.len());

    folder.done(&format!("minimize {} --output b.btf {}", raw.display(), object.display()));
    assert_eq!(folder.read("b.btf"), minimized);
    // Its output is a BTF that satisfies the object.
    folder.done(&format!("minimize b.btf -o c.btf {}", object.display()));
    assert_eq!(folder.read("c.btf"), minimized);
    assert_eq!(folder.names(), ["a.btf", "b.btf", "c.btf", "raw.btf"]);
}

#[test]
fn takes_several_objects() {
    let folder = Folder::new();
    let btf = kernel(AMD64).display().to_string();
    let [first, second] = ["opensnoop", "tcpconnect"].map(|name| object(name).display().to_string());
    folder.done(&format!("minimize {btf} -o first.btf {first}"));
    folder.done(&format!("minimize {btf} -o second.btf {second}"));
    folder.done(&format!("minimize {btf} -o both.btf {first} {second}"));
    folder.done(&format!("minimize {btf} -o turned.btf {second} {first}"));
    let both = structs(&folder.read("both.btf"));
    for part in ["first.btf", "second.btf"] {
        assert!(structs(&folder.read(part)).iter().all(|name| both.contains(name)));
    }
    assert_eq!(folder.read("both.btf"), folder.read("turned.btf"));
}

#[test]
fn refuses() {
    let folder = Folder::new();
    let (packed, object) = (kernel(AMD64).display().to_string(), object("opensnoop").display().to_string());
    let bytes = std::fs::read(&packed).unwrap();
    folder.file("cut.btf.tar.xz", &bytes[..bytes.len() / 2]);
    folder.file("text.btf", "no BTF");
    folder.file("text.o", "no object");
    folder.file("folder/x", "");
    let names = folder.names();
    let check = |btf: &str, object: &str, expect: &[&str]| {
        for expect in expect {
            folder.fails(&format!("minimize {btf} -o out.btf {object}"), 1, expect);
        }
        assert_eq!(folder.names(), names);
    };
    check("none.btf", &object, &["none.btf", "No such file"]);
    check("folder", &object, &["folder"]);
    check("cut.btf.tar.xz", &object, &["cut.btf.tar.xz", "not a readable xz stream"]);
    check("text.btf", &object, &["error: cannot minimize text.btf: "]);
    check(&packed, "none.o", &["none.o", "No such file"]);
    check(&packed, "text.o", &["cannot read object text.o"]);
    let other = object.replace("/el/", "/eb/");
    check(&packed, &other, &["endian"]);
    folder.fails(&format!("minimize {packed} -o out.btf"), 2, "<OBJECTS>");
    folder.fails(&format!("minimize {packed} {object}"), 2, "--output");
}
