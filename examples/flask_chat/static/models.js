// The list of models; it says when there is none to be had, and comes back by itself.

import { models, Told } from "./server.js"
import { byId, tell } from "./words.js"

const model = byId("model")
const AGAIN = 5000 // ms
let trying

/** The name of the model that is chosen, "" while there is none. */
export function chosen() {
  return model.value
}

/** Choose it if the server has it; else the one that is chosen stays. */
export function choose(name) {
  const option = [...model.options].find((each) => each.value === name)
  if (option) option.selected = true
}

/** Fill the list, and choose that one. */
export async function loadModels(name) {
  clearTimeout(trying)
  const again = () => loadModels(name)
  try {
    const names = await models()
    const before = chosen() || name
    tell("")
    model.replaceChildren(...names.map((each) => new Option(each)))
    choose(before)
    show(names.length ? "" : "No model yet")
    if (!names.length) tell("The server has no model yet: fetch one by “ollama pull llama3.2”.", again)
  } catch (error) {
    if (!(error instanceof Told)) throw error
    if (!model.options.length || model.options[0].value === "") show("No server")
    model.classList.add("down")
    tell(`No models: ${error.message}.`, again)
    trying = setTimeout(again, AGAIN)
  }
}

/** The state of the list, in the place of a model; "" when there are models. */
function show(state) {
  if (state) model.replaceChildren(new Option(state, ""))
  model.disabled = Boolean(state)
  model.classList.remove("down")
}
