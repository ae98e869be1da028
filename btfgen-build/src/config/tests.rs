//! Tests of configurations: the entries of `btfgen.toml`, and the files that are found.

use super::*;
use crate::ErrorKind;
use crate::testing::TempDir;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, "dir/btfgen.toml".into())
}

#[test]
fn reads_every_entry() {
    let config = parse(
        "objects = [\"$OUT_DIR/*.bpf.o\"]\nhub = \"kernels.hub\"\ninclude = [\"debian/**\"]\n\
         exclude = [\"**/*-cloud-*\"]\non-failure = \"drop\"\nbuild-ids = \"all\"\nlevel = 7\narch = [\"x86_64\", \"arm64\"]\n\
         emit = \"both\"\nunknown = \"deny\"\noptional = [\"*_btf\"]\ntargets = { on_read = \"vfs_read\" }\n\
         [[require]]\nkernels = [\"debian/12/**\"]\n[[require]]\nkernels = [\"**\"]\nprograms = [\"on_*\"]\n",
    )
    .unwrap();
    assert_eq!(config.base.as_deref(), Some(Path::new("dir")));
    assert_eq!(config.include, ["debian/**"]);
    assert_eq!(config.exclude, ["**/*-cloud-*"]);
    assert_eq!(config.arch, ["x86_64", "arm64"]);
    assert_eq!((config.on_failure, config.level, config.emit), (OnFailure::Drop, Some(7), Emit::Both));
    assert_eq!(config.build_ids, BuildIds::All);
    assert_eq!((config.unknown, &*config.optional), (Unknown::Deny, &["*_btf".to_owned()][..]));
    assert_eq!(config.targets["on_read"], "vfs_read");
    let require: Vec<_> =
        config.require.iter().map(|it| (it.kernels.join(" "), it.programs.join(" "))).collect();
    let expect = [("debian/12/**", ""), ("**", "on_*")];
    assert_eq!(require, expect.map(|(kernels, programs)| (kernels.to_owned(), programs.to_owned())));
    let least = parse("objects = []\nhub = \"h\"").unwrap();
    assert_eq!(least.build_ids, BuildIds::Needed);
    assert_eq!((least.on_failure, least.level, least.emit), (OnFailure::Keep, None, Emit::Archive));
    assert_eq!((least.unknown, least.require.len(), least.optional.len()), (Unknown::Allow, 0, 0));
}

#[test]
fn reports_line_and_column_of_a_mistake() {
    let check = |text: &str, expect: &str| {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("dir/btfgen.toml:{expect}")), "{error}");
    };
    check(
        "objects = []\nhub = \"h\"\nhubs = 1",
        "3:1: unknown field `hubs`, expected one of `objects`, `hub`,",
    );
    check("objects = []\nhub = 3", "2:7: invalid type: integer `3`, expected a string");
    check("objects = []\nhub = \"é\" x", "2:11: ");
    check("objects = []", "1:1: missing field `hub`");
    check(
        "hub = \"h\"\nobjects = []\non-failure = \"stop\"",
        "3:14: unknown variant `stop`, expected `keep` or `drop`",
    );
    check("", "1:1: missing field `objects`");
    let check = |text: &str, expect: &str| check(&format!("objects = []\nhub = \"h\"\n{text}"), expect);
    check("unknown = \"ask\"", "3:11: unknown variant `ask`, expected `allow` or `deny`");
    check("optional = [\"a\", \"[b\"]", "3:18: \"[b\" is not a glob over program names");
    check("include = [\"[x\"]", "3:12: \"[x\" is not a glob over kernel ids");
    check("targets = { a = 1 }", "3:17: invalid type: integer `1`, expected a string");
    check("require = []\ntargets = 1", "4:11: invalid type: integer `1`, expected a table");
    check(
        "arch = \"all\"",
        "3:8: invalid type: string \"all\", expected a list, such as [\"...\"] or [[require]]",
    );
    check(
        "[require]\nkernels = [\"**\"]",
        "3:1: invalid type: table, expected a list, such as [\"...\"] or [[require]]",
    );
    check("[[require]]\nprograms = []", "3:1: missing field `kernels`");
    check("[[require]]\nkernels = []", "4:11: require names no kernel: list globs over kernel ids");
    check("[[require]]\nkernels = [\"**\",\n \"d***\"]", "5:2: \"d***\" is not a glob over kernel ids");
    check(
        "[[require]]\nkernels = [\"**\"]\nprograms = [\"[x\"]",
        "5:13: \"[x\" is not a glob over program names",
    );
    check(
        "[[require]]\nkernels = [\"**\"]\nprogram = [\"x\"]",
        "5:1: unknown field `program`, expected `kernels` or `programs`",
    );
}

#[test]
fn resolves_paths_and_tells_cargo() {
    let dir = TempDir::new();
    let name = |path: &str| dir.path().join(path).to_str().unwrap().to_owned();
    for file in ["out/b.bpf.o", "out/a.bpf.o", "out/.hidden.bpf.o", "out/a.txt", "prebuilt/x.o", "hub/k"] {
        dir.file(file, "");
    }
    let toml = "objects = [\"$OUT_DIR/*.bpf.o\", \"pre*/x.o\", \"out/a.bpf.o\"]\nhub = \"${HUB}\"";
    let config = Config::from_file(dir.file("btfgen.toml", toml)).unwrap();
    let mut script = Script::with_env(&[
        ("OUT_DIR", &name("out")),
        ("HUB", "hub"),
        ("CARGO_CFG_TARGET_ARCH", "aarch64"),
        ("CARGO_CFG_TARGET_ENDIAN", "little"),
    ]);
    let plan = config.resolve(&mut script).unwrap();
    assert_eq!(
        plan.request.objects,
        ["out/a.bpf.o", "out/b.bpf.o", "prebuilt/x.o"].map(|path| dir.path().join(path))
    );
    assert_eq!(plan.request.hub, dir.path().join("hub"));
    assert_eq!(plan.out_dir().unwrap(), dir.path().join("out"));
    assert_eq!(plan.level, DEFAULT_LEVEL);
    assert!(plan.request.options.filter.wants(&"d/1/arm64/k".parse().unwrap()));
    assert!(!plan.request.options.filter.wants(&"d/1/x86_64/k".parse().unwrap()));
    let changed = |path: &str| format!("cargo::rerun-if-changed={}", name(path));
    assert_eq!(
        script.instructions(),
        [
            changed("btfgen.toml"),
            "cargo::rerun-if-env-changed=HUB".to_owned(),
            changed("hub"),
            format!("cargo::rerun-if-changed={}", dir.path().display()),
            changed("prebuilt/x.o"),
        ]
    );
}

#[test]
fn the_environment_may_name_another_hub() {
    let dir = TempDir::new();
    dir.file("btfgen.toml", "objects = [\"a.o\"]\nhub = \"own\"");
    for file in ["a.o", "own/k", "other/k"] {
        dir.file(file, "");
    }
    let check = |hub: Option<&str>, expect: &str| {
        let mut env = vec![("CARGO_MANIFEST_DIR", dir.path().to_str().unwrap())];
        env.extend(hub.map(|hub| ("BTFGEN_HUB", hub)));
        let mut script = Script::with_env(&env);
        let plan = Config::of_package(&mut script).unwrap().resolve(&mut script).unwrap();
        assert_eq!(plan.request.hub, dir.path().join(expect));
        assert!(script.instructions().contains(&"cargo::rerun-if-env-changed=BTFGEN_HUB".to_owned()));
    };
    check(None, "own");
    check(Some(""), "own");
    check(Some("other"), "other");
    check(dir.path().join("other").to_str(), "other");
}

#[test]
fn architectures() {
    let check = |archs: &[&str], expect: [bool; 2]| {
        let dir = TempDir::new();
        let config = archs.iter().fold(Config::new(), |config, arch| config.arch(*arch));
        let config = config.hub(dir.path()).object_file(dir.file("a.o", ""));
        let mut script = Script::with_env(&[("CARGO_CFG_TARGET_ARCH", "x86_64")]);
        let filter = config.resolve(&mut script).unwrap().request.options.filter;
        let wants = ["d/1/x86_64/k", "d/1/s390x/k"].map(|id| filter.wants(&id.parse().unwrap()));
        assert_eq!(wants, expect, "{archs:?}");
    };
    check(&[], [true, false]);
    check(&["s390x"], [false, true]);
    check(&["s390x", "x86_64"], [true, true]);
    check(&["all"], [true, true]);
}

#[test]
fn refuses() {
    let dir = TempDir::new();
    let hub = dir.path().to_owned();
    let object = dir.file("a.o", "");
    let hint = "; call generate() after compiling; with libbpf-cargo's SkeletonBuilder set .obj($OUT_DIR/NAME.bpf.o)";
    let check = |config: Config, expect: &str| {
        let manifest_dir = dir.path().to_str().unwrap();
        let mut script = Script::with_env(&[("CARGO_MANIFEST_DIR", manifest_dir)]);
        let error = config.resolve(&mut script).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.to_string(), expect.replace("BASE", manifest_dir).replace("HINT", hint));
    };
    let hubbed = || Config::new().hub(&hub);
    check(Config::new(), "no hub named: call Config::hub, or set hub in btfgen.toml");
    check(
        Config::new().hub("none"),
        "no hub file or folder at BASE/none; make one with \"btfgen vendor --this-host -o BASE/none\"",
    );
    check(hubbed(), "no object named: call Config::object, or set objects in btfgen.toml");
    check(hubbed().object("sub/*.bpf.o"), "\"sub/*.bpf.o\" matches no file in BASE/subHINT");
    check(hubbed().object("b.o"), "\"b.o\" matches no file in BASEHINT");
    check(hubbed().object("a***"), "\"a***\" is not a glob over files");
    check(
        hubbed().object("$OUT_DIR/*.o"),
        "\"$OUT_DIR/*.o\" uses environment variable OUT_DIR, which is unset or not UTF-8",
    );
    check(hubbed().object_file(&object).include("[x"), "\"[x\" is not a glob over kernel ids");
    check(hubbed().object_file(&object).require(&["[x"], &[]), "\"[x\" is not a glob over kernel ids");
    check(hubbed().object_file(&object).require(&["**"], &["[x"]), "\"[x\" is not a glob over program names");
    check(hubbed().object_file(&object).optional("[x"), "\"[x\" is not a glob over program names");
    check(
        hubbed().object_file(&object).require(&[], &["x"]),
        "require names no kernel: list globs over kernel ids, such as \"debian/12/**\"",
    );
    check(
        hubbed().object_file(&object).compression_level(23),
        "compression level 23 is not between 1 and 22",
    );
    let plan = hubbed()
        .object_file(&object)
        .out_dir("out")
        .resolve(&mut Script::with_env(&[("CARGO_MANIFEST_DIR", "/package")]));
    assert_eq!(plan.unwrap().out_dir().unwrap(), Path::new("/package/out"));
    let plan = hubbed().object_file(&object).resolve(&mut Script::with_env(&[])).unwrap();
    assert!(plan.out_dir().unwrap_err().to_string().starts_with("no output folder: OUT_DIR"));
}

#[test]
fn names_a_missing_file() {
    let error = Config::of_package(&mut Script::with_env(&[("CARGO_MANIFEST_DIR", "/no/such")])).unwrap_err();
    let error = Error::from(error);
    assert!(error.chain()[0].starts_with("no configuration: write a btfgen.toml"));
    assert_eq!(error.chain()[1], "cannot read file /no/such/btfgen.toml");
}
