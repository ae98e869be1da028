//! Tests: what comes of verdicts in some sections is what comes of them there in all.

use std::path::Path;

use super::*;
use crate::btf::Btf;
use crate::kernel::KernelTypes;
use crate::minimize::Minimizer;
use crate::object::Object;
use crate::roots::Roots;

fn object(name: &str) -> Object {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/objects/el");
    Object::parse(name, &std::fs::read(folder.join(name).with_extension("o")).unwrap()).unwrap()
}

#[test]
fn sections_stand_for_themselves() {
    let objects = ["ambiguous", "flavors", "fields", "opensnoop", "pruning", "bitfields"].map(object);
    let roots = Roots::new(&objects).unwrap();
    let (sections, groups) = (sections(&objects), Groups::new(&objects, &roots));
    let all = Layout::new(&objects, &sections, &groups, |_| true);
    let (mut types, mut minimizer) = (roots.types().clone(), Minimizer::new(&roots));
    let (mut judge, mut outcomes) = (Judge::new(&groups), Outcomes::new(&all));
    let mut unresolved = 0;
    for kernel in ["fields", "kernel", "types", "enums", "flavors", "pruning"] {
        let kernel = object(kernel);
        let kernel = KernelTypes::from_btf(&mut types, &roots, &Btf::parse(kernel.btf()).unwrap()).unwrap();
        let verdicts = judge.verdicts(minimizer.answers(), &types, &kernel);
        let pieces = outcomes.unresolved(&verdicts);
        assert!(pieces.is_sorted_by(|a, b| a.section < b.section), "each section once, in order");
        unresolved += pieces.iter().map(|piece| piece.unresolved.len()).sum::<usize>();
        for step in 1..=sections.len() {
            let changed: Vec<bool> = (0..sections.len()).map(|section| section % step == 0).collect();
            let layout = Layout::new(&objects, &sections, &groups, |section| changed[section]);
            let now = Outcomes::new(&layout).unresolved(&verdicts);
            assert!(now.iter().all(|piece| changed[piece.section as usize]));
            // Of what was there before nothing stays in a changed section.
            let before: Pieces = pieces.iter().filter(|piece| piece.section % 2 == 0).cloned().collect();
            let kept = pieces.iter().filter(|it| changed[it.section as usize] || it.section % 2 == 0);
            let kept: Pieces = kept.cloned().collect();
            assert_eq!(Updates::default().updated(&before, &now, &changed), kept);
        }
    }
    assert!(unresolved > 100, "{unresolved} relocations get no value");
}
