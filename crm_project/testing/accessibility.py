"""What keeps somebody from a page: who hears it, reads it in the dark, or holds it in one hand. axe-core finds most."""

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from crm_project.testing.browser import NARROW, WIDE

GRAVE = ["serious", "critical"]
COLOURS = ["color-contrast", "link-in-text-block"]  # what another theme can change
AT_REST = "*, ::before, ::after { transition: none !important; }"
WIDGETS_ARE_MADE = "() => new Promise(done => window.django?.jQuery ? django.jQuery(() => setTimeout(done)) : done())"
IS_DARK = "document.documentElement.classList.contains('dark')"
SWITCH_THEME = f"Alpine.$data(document.documentElement).switchTheme({IS_DARK} ? 'light' : 'dark')"
AFTER_A_FRAME = "() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
TOO_WIDE = "document.documentElement.scrollWidth > innerWidth"
NAMED_BY_AN_ICON = """
    [...document.querySelectorAll("[aria-label]")].map(one => one.ariaLabel).filter(label => /^[a-z_]+$/.test(label))
"""
RUN_AXE = """async ([grave, rules]) => {
    const only = rules ? {runOnly: rules} : {rules: {region: {enabled: false}}};
    const {violations} = await axe.run(document, {resultTypes: ["violations"], ...only});
    const why = ({any, all, none}) => [...any, ...all, ...none].map(({message}) => message).join("; ");
    return violations
        .filter(({impact}) => grave.includes(impact))
        .flatMap(({id, nodes}) => nodes.map(node => `${id}: ${node.target}: ${why(node)}`));
}"""


def faults(page: Page, *, on_telephone: bool) -> list[str]:
    """Return what is gravely wrong with a page in both themes, and with its width, or all of it, on a telephone.

    The theme stays switched, so that pages opened one after another begin with either.
    """
    page.add_style_tag(content=AT_REST)
    page.evaluate(WIDGETS_ARE_MADE)
    page.evaluate(AXE_SCRIPT)
    found = _faults(page) + [f"named by an icon: {name}" for name in page.evaluate(NAMED_BY_AN_ICON)]
    page.evaluate(SWITCH_THEME)
    found += _faults(page, COLOURS)
    page.set_viewport_size(NARROW)
    page.evaluate(AFTER_A_FRAME)
    found += ["too wide for a telephone"] if page.evaluate(TOO_WIDE) else []
    found += _faults(page) if on_telephone else []
    page.set_viewport_size(WIDE)
    return found


def _faults(page: Page, rules: list[str] | None = None) -> list[str]:
    theme = "dark" if page.evaluate(IS_DARK) else "light"
    width = page.evaluate("innerWidth")
    return [f"{theme}, {width}: {fault}" for fault in page.evaluate(RUN_AXE, [GRAVE, rules])]
