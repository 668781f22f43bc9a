"""How the chat shows what a model writes: Markdown, at every moment of its coming, and nothing that runs."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

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
        '<ul><li>a<pre tabindex="0"><code>x\n  y</code></pre></li></ul>',
    ),
    ("> a\n> - b", "<blockquote><p>a</p><ul><li>b</li></ul></blockquote>"),
    ("a\n\n---\nb", "<p>a</p><hr><p>b</p>"),
    (
        "```py\n# *x*\n\n```\nend",
        '<pre tabindex="0" data-language="py"><code># *x*\n</code></pre><p>end</p>',
    ),
    ("````\n```\n````", '<pre tabindex="0"><code>```</code></pre>'),
    ("```js\nlet a", '<pre tabindex="0" data-language="js"><code>let a</code></pre>'),
    (
        "see [it](https://a.b/c?d)",
        'see <a href="https://a.b/c?d" rel="noopener noreferrer" target="_blank">it</a>',
    ),
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
]


def test_what_a_model_says_never_runs(tab: Any, upstream: Any) -> None:
    """No markup of a model, a question, or a server's error becomes an element, in the page or in its list; also after a reload."""
    text = "\n\n".join(ATTACKS)
    upstream.script([answer([text], thinking=[text], error=ATTACKS[1])])
    tab.ask(ATTACKS[1])
    expect(tab.page.get_by_role("alert")).to_contain_text("onerror")
    for _ in range(2):
        bad = "script:not([src]), article img, article svg, iframe, #sidebar a img, [onerror], [onload], [onclick]"
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
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    tab.page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=icon onerror=\"window.hit = 1\">')"
    )
    tab.page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.hit = 1'}))"
    )
    tab.page.wait_for_function("document.querySelector('body > img').complete")
    assert tab.page.evaluate("window.hit") is None
    tab.forgive("Content Security Policy", "404 (NOT FOUND)")


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
