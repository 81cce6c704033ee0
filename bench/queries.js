"use strict"

// ssb-db2 on a file of messages: reads {"path", "lines", "own", "author", "root", "liked", "runs"}
// from its argument, answers one JSON object: seconds to load, and for each question the
// milliseconds of each run, when it was asked once before (indexes are made then).

const asking = require("./asking")
const { ask, questions } = require("./questions")

const asked = JSON.parse(process.argv[2])
const ssb = asking.open(asked.path, "ssb-db2/full-mentions")
const QUESTIONS = questions(asked)

asking.tell(async () => {
  const began = Date.now()
  await asking.load(ssb, asked.lines)
  const loaded = Date.now()
  await new Promise((resolve) => ssb.db.onDrain(resolve))
  for (const question of Object.values(QUESTIONS)) await ask(ssb, question)
  const answers = {}
  for (const [name, question] of Object.entries(QUESTIONS)) {
    answers[name] = await asking.ask(() => ask(ssb, question), asked.runs)
  }
  return {
    load_s: (loaded - began) / 1000,
    answers
  }
})
