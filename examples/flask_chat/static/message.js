// One message in the page: a question that can be edited, or an answer that can be copied and made anew.

import { render } from "./markdown.js"
import { announce, byId, copy } from "./words.js"

export const endings = { done: "Answered", stopped: "Stopped", failed: "Failed" }

/**
 * The view of a message: `article`, and `draw(isLast, isAnswering)`, which shows what it has become.
 *
 * @param does {{again(), resend(message, text)}} what its buttons do
 */
export function viewOf(message, does) {
  const article = byId(message.role).content.cloneNode(true).firstElementChild
  return message.role === "user" ? question(article, message, does) : answer(article, message, does)
}

export function picture(data, words) {
  const image = document.createElement("img")
  image.src = `data:image/jpeg;base64,${data}`
  image.alt = words
  return image
}

function question(article, message, does) {
  const part = (selector) => article.querySelector(selector)
  const [bubble, form, field] = [part(".bubble"), part("form"), part("textarea")]
  part(".text").textContent = message.content
  part(".text").hidden = !message.content
  part(".pictures").append(...(message.images ?? []).map((data, at) => picture(data, `Picture ${at + 1}`)))
  part(".actions .copy").onclick = ({ currentTarget }) => copy(message.content, currentTarget)
  const edit = (isEdited) => {
    bubble.hidden = part(".actions").hidden = isEdited
    form.hidden = !isEdited
    field.value = message.content
    if (isEdited) field.focus()
    else part(".edit").focus()
  }
  part(".edit").onclick = () => edit(true)
  part(".cancel").onclick = () => edit(false)
  field.onkeydown = (event) => {
    if (event.isComposing) return
    if (event.key === "Escape") {
      event.stopPropagation() // it would stop the answer
      edit(false)
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault()
      form.requestSubmit()
    }
  }
  form.onsubmit = (event) => {
    event.preventDefault()
    if (field.value.trim() || message.images) does.resend(message, field.value.trim())
  }
  return { article, draw(_isLast, isAnswering) {
    part(".edit").disabled = part(".submit").disabled = isAnswering
  } }
}

function answer(article, message, does) {
  const part = (selector) => article.querySelector(selector)
  const [thoughts, details] = [part("details .text"), part("details")]
  part("h2").textContent = message.model
  part(".actions .copy").onclick = ({ currentTarget }) => copy(message.content, currentTarget)
  part(".again").onclick = part(".error button").onclick = does.again
  part("summary").onclick = () => { details.isOfReader = true } // from now on it stays as its reader has it
  let spoken = message.ended ? Infinity : 0 // blocks; an answer of old is not read out
  return { article, draw(isLast, isAnyAnswering) {
    const isAnswering = isLast && isAnyAnswering
    const isThinking = isAnswering && !message.content
    article.ariaBusy = isAnswering
    details.hidden = !message.thinking
    if (!details.isOfReader) details.open = isThinking
    part("summary").textContent = isThinking ? "Thinking…" : thoughtFor(message)
    if (thoughts.textContent !== message.thinking) thoughts.textContent = message.thinking
    if (isThinking) thoughts.scrollTop = thoughts.scrollHeight
    let finished = render(part(".answer"), message.content)
    part(".waiting").hidden = !isThinking || message.isLost
    part(".lost").hidden = !isAnswering || !message.isLost
    part(".error").hidden = !message.error
    part(".error span").textContent = message.error ? `Failed: ${message.error}.` : ""
    part(".error button").hidden = !isLast
    part(".actions").hidden = isAnswering
    part(".actions .copy").hidden = !message.content
    part(".again").hidden = !isLast || Boolean(message.error)
    part(".state").textContent = isAnswering ? "" : stateOf(message)
    // Read out by the block: a whole paragraph can be followed, a token cannot.
    if (!isAnswering) finished = part(".answer").children.length
    for (; spoken < finished; spoken += 1) announce(wordsOf(part(".answer").children[spoken]))
    if (!isAnswering && spoken < Infinity) {
      announce(endings[message.ended])
      spoken = Infinity
    }
  } }
}

function wordsOf(block) {
  return block.querySelector(":scope > pre")?.textContent ?? block.textContent
}

function thoughtFor({ thought }) {
  if (!thought) return "Thoughts"
  return thought < 60 ? `Thought for ${Math.max(1, Math.round(thought))} s` : `Thought for ${Math.round(thought / 60)} min`
}

function stateOf({ ended, stats }) {
  if (ended === "failed") return ""
  if (ended !== "done") return "Stopped before its end"
  if (!stats) return ""
  const { tokens, seconds } = stats
  return `${tokens} tokens · ${(tokens / seconds).toFixed(1)} tokens/s · ${seconds.toFixed(1)} s`
}
