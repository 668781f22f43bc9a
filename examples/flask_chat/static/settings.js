// What the reader sets for one conversation: its name, the system prompt and the model's options; and its copy as a file.

import { titleOf } from "./talk.js"
import { byId, download } from "./words.js"

const [dialog, form] = [byId("settings"), byId("settings").querySelector("form")]
const NUMBERS = ["temperature", "top_p", "num_ctx", "num_predict", "seed"]

/** Ask for the settings of a conversation, and call `done` when the reader has changed them. */
export function ask(conversation, done) {
  const { elements } = form
  elements.system.value = conversation.system ?? ""
  elements.think.value = conversation.think === undefined ? "" : String(conversation.think)
  for (const name of NUMBERS) elements[name].value = conversation.options?.[name] ?? ""
  form.onsubmit = () => {
    const options = NUMBERS.filter((name) => elements[name].value).map((name) => [name, elements[name].valueAsNumber])
    conversation.system = elements.system.value.trim() || undefined
    conversation.options = options.length ? Object.fromEntries(options) : undefined
    conversation.think = { true: true, false: false }[elements.think.value]
    done()
  }
  dialog.querySelector(".cancel").onclick = () => dialog.close()
  dialog.showModal()
}

export function areSet({ system, options, think }) {
  return Boolean(system || options || think !== undefined)
}

/** Have the title written anew, in its place. */
export function rename(conversation, done) {
  const [title, field] = [byId("title"), byId("rename")]
  field.value = titleOf(conversation)
  title.hidden = true
  field.hidden = false
  field.select()
  const end = (isTaken) => {
    if (field.hidden) return
    title.hidden = false
    field.hidden = true
    if (isTaken) conversation.title = field.value.trim() || undefined
    done(isTaken)
  }
  field.onblur = () => end(true)
  field.onkeydown = (event) => {
    if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return
    event.stopPropagation()
    event.preventDefault()
    end(event.key === "Enter")
    byId("more").focus()
  }
}

export function exportMarkdown(conversation) {
  const parts = conversation.messages.map(({ role, content, images, model }) => {
    const pictures = (images ?? []).map((data, at) => `![Picture ${at + 1}](data:image/jpeg;base64,${data})`)
    return [`## ${role === "user" ? "You" : model}`, content, ...pictures].filter(Boolean).join("\n\n")
  })
  const system = conversation.system ? [`> ${conversation.system.replaceAll("\n", "\n> ")}`] : []
  download(`${fileName(conversation)}.md`, "text/markdown", `${[`# ${titleOf(conversation)}`, ...system, ...parts].join("\n\n")}\n`)
}

export function exportJSON(conversation) {
  download(`${fileName(conversation)}.json`, "application/json", JSON.stringify({ ...conversation, title: titleOf(conversation) }, null, 2))
}

function fileName(conversation) {
  return titleOf(conversation).replaceAll(/[^\p{L}\p{N}]+/gu, "-").replaceAll(/^-|-$/g, "").slice(0, 60) || "conversation"
}
