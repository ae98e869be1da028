//! Check: comparisons whose failure says what the page shows and what it should.

use std::fmt::Debug;

use crate::shell::Outcome;

/// Fails unless both are equal.
pub(super) fn equal<G: Debug + PartialEq<E>, E: Debug>(what: &str, got: G, expect: E) -> Outcome {
    if got == expect { Ok(()) } else { Err(format!("{what}: got {got:?}, expected {expect:?}").into()) }
}

/// Fails unless something holds.
pub(super) fn holds(what: &str, is_true: bool, got: impl Debug) -> Outcome {
    if is_true { Ok(()) } else { Err(format!("{what}: got {got:?}").into()) }
}

/// The smallest contrast between an element's text and its background, for elements of a CSS selector, as WCAG defines it. An
/// expression for the page.
pub(super) const CONTRAST: &str = r#"((selector) => {
    const rgb = (text) => text.match(/[\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((own) => own / 255)
        .map((own) => (own <= 0.04045 ? own / 12.92 : ((own + 0.055) / 1.055) ** 2.4))
        .reduce((sum, own, index) => sum + own * [0.2126, 0.7152, 0.0722][index], 0);
    const background = (own) => {
        const color = rgb(getComputedStyle(own).backgroundColor);
        return color.length === 4 && color[3] === 0 && own.parentElement ? background(own.parentElement) : color;
    };
    const contrast = (own) => {
        const [a, b] = [light(rgb(getComputedStyle(own).color)), light(background(own))].sort((a, b) => b - a);
        return (a + 0.05) / (b + 0.05);
    };
    const all = [...document.querySelectorAll(selector)].filter((own) => own.offsetParent && own.textContent.trim());
    return all.map((own) => [contrast(own), own.className || own.tagName]).sort((a, b) => a[0] - b[0])[0];
})"#;
