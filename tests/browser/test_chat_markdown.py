"""How the chat shows what a model writes: Markdown, at every moment of its coming, and nothing that runs."""

from __future__ import annotations

import contextlib
from typing import Any

from playwright.sync_api import Error, expect

from ollama_sync.testing import Gate, answer, chunk, end, head, wait


def shown(tab: Any, text: str) -> str:
    """The HTML that a text becomes."""
    return str(
        tab.page.evaluate(
            """async text => {
              const { render } = await import("/static/markdown.js")
              const parent = document.createElement("div")
              render(parent, text)
              return parent.innerHTML
            }""",
            text,
        )
    )


def code(language: str, shown: str) -> str:
    """The HTML of a block of code, which `shown` is in."""
    copy = '<button type="button" class="copy" aria-label="Copy the code">Copy</button>'
    caption = f"<figcaption><span>{language}</span>{copy}</figcaption>"
    pre = f'<pre tabindex="0"><code>{shown}</code></pre>'
    return f'<figure class="code" data-language="{language}">{caption}{pre}</figure>'


def table(head: str, body: str = "") -> str:
    """The HTML of a table, of that of its rows."""
    inner = f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"
    return f'<div class="table" tabindex="0" role="region" aria-label="Table">{inner}</div>'


CASES = [
    ("one\ntwo\n\nthree", "<p>one\ntwo</p><p>three</p>"),
    ("# A\n###### B", "<h3>A</h3><h6>B</h6>"),
    ("#no heading", "<p>#no heading</p>"),
    ("**b** *i* _j_ `c`", "<p><strong>b</strong> <em>i</em> <em>j</em> <code>c</code></p>"),
    ("2 * 3 * 4, a_b_c, **", "<p>2 * 3 * 4, a_b_c, **</p>"),
    ("`**b** <i>`", "<p><code>**b** &lt;i&gt;</code></p>"),
    ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
    (
        "- a\n  - b\n    - c\n- d",
        "<ul><li>a<ul><li>b<ul><li>c</li></ul></li></ul></li><li>d</li></ul>",
    ),
    ("1. a\n\n   more\n\n2. b\n\nend", "<ol><li>a<p>more</p></li><li>b</li></ol><p>end</p>"),
    ("3) c\n4) d", '<ol start="3"><li>c</li><li>d</li></ol>'),
    ("- a\n1. b", "<ul><li>a</li></ul><ol><li>b</li></ol>"),
    (
        "- a\n  ```\n  x\n    y\n  ```",
        f"<ul><li>a{code('', 'x@  y')}</li></ul>".replace("@", "\n"),
    ),
    ("> a\n> - b", "<blockquote><p>a</p><ul><li>b</li></ul></blockquote>"),
    ("a\n\n---\nb", "<p>a</p><hr><p>b</p>"),
    (
        "```py\n# *x*\n\n```\nend",
        code("py", '<span class="comment"># *x*</span>\n') + "<p>end</p>",
    ),
    ("````\n```\n````", code("", "```")),
    ("```js\nlet a", code("js", '<span class="keyword">let</span> a')),
    (
        "see [it](https://a.b/c?d)",
        'see <a href="https://a.b/c?d" rel="noopener noreferrer" target="_blank">it</a>',
    ),
    (
        "![a](https://a.b/c.png)",
        '<a href="https://a.b/c.png" rel="noopener noreferrer" target="_blank">a</a>',
    ),
    (
        "at https://a.b/c.",
        'at <a href="https://a.b/c" rel="noopener noreferrer" target="_blank">https://a.b/c</a>.',
    ),
    (
        "***a*** __b__ ~~c~~ \\*d\\*",
        "<p><strong><em>a</em></strong> <strong>b</strong> <s>c</s> *d*</p>",
    ),
    (
        "|a|b|\n|:-:|--:|\n|`c`|d\\|e|\n\nend",
        table(
            '<tr><th class="center">a</th><th class="right">b</th></tr>',
            '<tr><td class="center"><code>c</code></td><td class="right">d|e</td></tr>',
        )
        + "<p>end</p>",
    ),
    ("text\na | b\n- | -\n1", "<p>text</p>" + table("<tr><th>a</th><th>b</th></tr>") + "<p>1</p>"),
    # Broken: too many cells are cut, too few are not made up, and what has no line of dashes for its width is text.
    (
        "|a|b|\n|-|-|\n|1|2|3|\n|4|",
        table(
            "<tr><th>a</th><th>b</th></tr>",
            "<tr><td>1</td><td>2</td></tr><tr><td>4</td></tr>",
        ),
    ),
    ("|a|b|\n|-|", "<p>|a|b|\n|-|</p>"),
    ("|a|b|\n|1|2|", "<p>|a|b|\n|1|2|</p>"),
    ("", ""),
]


def test_markdown_becomes_elements(tab: Any) -> None:
    """Each form of Markdown becomes its elements, and what is not one stays as it was written."""
    for text, wanted in CASES:
        got = shown(tab, text)
        assert got in (wanted, f"<p>{wanted}</p>"), text


def test_every_beginning_of_a_text_can_be_shown(tab: Any) -> None:
    """A text that grows letter by letter ends as the same elements as at once, and blocks that are complete are not made again."""
    text = "\n\n".join(case for case, _ in CASES if "let a" not in case)
    result = tab.page.evaluate(
        """async text => {
          const { render } = await import("/static/markdown.js")
          const [grown, whole] = [document.createElement("div"), document.createElement("div")]
          render(grown, "kept\\n\\n")
          const first = grown.firstChild
          for (let end = 0; end <= text.length; end++) render(grown, "kept\\n\\n" + text.slice(0, end))
          render(whole, "kept\\n\\n" + text)
          return [grown.innerHTML === whole.innerHTML, grown.firstChild === first]
        }""",
        text,
    )
    assert result == [True, True]


ATTACKS = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    "<svg onload='window.hit = 1'></svg><iframe srcdoc='<script>parent.hit = 1</script>'></iframe>",
    "[link](javascript:window.hit=1) [data](data:text/html,<script>1</script>)",
    '[link](JaVaScRiPt:window.hit=1) [rel](//evil.example) [quote](https://a.b/"onclick="hit=1)',
    "```<img/src=x onerror=window.hit=1>\n</code></pre><script>window.hit = 1</script>",
    "# <b onmouseover='window.hit = 1'>x</b>\n- <script>window.hit = 1</script>",
    "|<script>window.hit = 1</script>|<img src=x onerror='window.hit = 1'>|\n|-|-|\n|<svg onload='window.hit = 1'>|",
    "![x](javascript:window.hit=1) ![y](data:image/svg+xml,<svg/onload=hit=1>) https://a.b/<script>hit=1</script>",
    "```html\n<script>window.hit = 1</script><img src=x onerror='window.hit = 1'>\n```",
    "[tab](java\tscript:hit=1) [entity](javascript&#58;hit=1) [space]( javascript:hit=1) [vb](vbscript:hit=1) <javascript:hit=1>",
    "[ref] [blob](blob:https://a.b/1) [file](file:///etc/passwd)\n\n[ref]: javascript:window.hit=1",
    "<style>* { display: none }</style><base href=//evil.example><meta http-equiv=refresh content='0;//evil.example'>",
    "<form action=//evil.example><input autofocus onfocus='window.hit = 1'></form><object data=x></object><embed src=x>",
    "<math><mtext><svg><style><img src=x onerror='window.hit = 1'></style></svg></mtext></math>",
    "|a|\n|-|-|-|\n|[x](javascript:window.hit=1)|<svg/onload=window.hit=1>|||\n|`|\n||\n|-\n|<td onclick=hit=1>",
    "```<b>\nx\n```\n```py\n\"<img src=x onerror='window.hit = 1'>\"\n```",
]


def test_what_a_model_says_never_runs(tab: Any, upstream: Any) -> None:
    """No markup of a model, a question, or a server's error becomes an element, in the page or in its list; also after a reload."""
    text = "\n\n".join(ATTACKS)
    upstream.script([answer([text], thinking=[text], error=ATTACKS[1])])
    tab.ask(ATTACKS[1])
    expect(tab.page.get_by_role("alert")).to_contain_text("onerror")
    for _ in range(2):
        bad = "script:not([src]), article img, article svg:not(button svg), iframe, #sidebar a img, [onerror], [onload], [onclick]"
        bad += ", [onfocus], base, article :is(style, meta, math, object, embed, form:not(.editor), input)"
        assert tab.page.locator(bad).count() == 0
        links = tab.page.locator("article a").evaluate_all("links => links.map(link => link.href)")
        assert all(link.startswith("https://a.b/") for link in links), links
        assert tab.page.evaluate("window.hit") is None
        tab.page.reload()
        expect(tab.page.get_by_role("alert")).to_contain_text("onerror")


def test_a_script_that_gets_in_is_not_run(tab: Any) -> None:
    """The page's own policy is the second wall: it refuses what is not a file of the page's server."""
    response = tab.page.reload()
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    tries = [
        "document.body.insertAdjacentHTML('beforeend', '<img src=icon onerror=\"window.hit = 1\">')",
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.hit = 1'}))",
        "document.body.setAttribute('onclick', 'window.hit = 1'); document.body.click()",
        "location.href = 'javascript:window.hit = 1'",
    ]
    for attempt in tries:
        with contextlib.suppress(Error):  # text does not become markup here
            tab.page.evaluate(attempt)
    assert tab.page.evaluate("window.hit") is None
    tab.forgive("Content Security Policy", "TrustedHTML", "TrustedScript")


def test_no_text_is_too_much(tab: Any) -> None:
    """What a model repeats without end neither overflows the renderer nor takes time by the square of its length."""
    for piece in [
        ">",
        "- ",
        "[",
        "*",
        "_a ",
        "`",
        "# ",
        "- a\n\n",
        "\n  - a",
        "[a](http://",
        "~",
        "1. ",
        "|",
        "|-",
        "|a|\n|-|\n",
        "||\n|-|-|\n",
        "https://",
        "\\",
        "``a",
        "~~a",
        "```py\n'a\n",
    ]:
        took = tab.page.evaluate(
            """async text => {
              const { render } = await import("/static/markdown.js")
              const began = performance.now()
              render(document.createElement("div"), text)
              return performance.now() - began
            }""",
            piece * 20_000,
        )
        print(f"{piece!r}: {took:.0f} ms")
        assert took < 3_000, piece


def test_a_line_without_an_end_leaves_the_page_alive(tab: Any, upstream: Any) -> None:
    """A line of 1 MB is shown, whole and quick enough that its reader can stop or go on."""
    line = "all work | and `no play` **makes** " * 30_000
    upstream.script([answer([line[at : at + 10_000] for at in range(0, len(line), 10_000)])])
    tab.ask("Go on")
    expect(tab.answer).to_have_attribute("aria-busy", "false", timeout=45_000)
    assert tab.page.evaluate("document.querySelector('.answer').textContent.length") > 800_000
    tab.page.get_by_role("button", name="New conversation").click()
    expect(tab.page.get_by_role("heading", name="What would you like to know?")).to_be_visible()


def test_an_open_fence_is_code_already(tab: Any, upstream: Any) -> None:
    """Code that is still coming is shown as code, and its selection survives what comes behind it."""
    gate = Gate()

    def say(text: str, *, done: bool = False) -> Any:
        message = {"role": "assistant", "content": text}
        return chunk({"model": "m", "message": message, "done": done})

    steps = [say("Here:\n\n```py\nprint(1)"), wait(gate), say("\n```\nDone."), say("", done=True)]
    upstream.script([head(), *steps, end()])
    tab.ask("Code?")
    expect(tab.answer.locator("pre code")).to_have_text("print(1)")
    tab.page.evaluate("getSelection().selectAllChildren(document.querySelector('.answer p'))")
    gate.open()
    expect(tab.answer.locator(".answer p").last).to_have_text("Done.")
    expect(tab.answer.locator("pre code")).to_have_text("print(1)")
    assert tab.page.evaluate("String(getSelection())").strip() == "Here:"
