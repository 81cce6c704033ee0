"use strict"

// ssb-db2 on a file of messages: reads {"path", "secret", "lines", "own", "author", "root", "liked",
// "runs"} from its argument, answers one JSON object: seconds to load, seconds in which the first of
// each question was answered (indexes are made then), and for each question the milliseconds of each
// run and how many messages were given.
//
// Questions for messages go to ssb-db2 alone. Pages are made by ssb-threads, as Manyverse has it,
// with ssb-friends to leave out the blocked and ssb-about-self for what somebody says of themselves.

const pull = require("pull-stream")
const operators = require("ssb-db2/operators")
const mentions = require("ssb-db2/operators/full-mentions")
const asking = require("./asking")

const asked = JSON.parse(process.argv[2])
const plugins = ["ssb-db2/full-mentions", "ssb-friends", "ssb-about-self", "ssb-threads"]
const ssb = asking.open(asked, ...plugins)

const { and, author, descending, hasRoot, isPublic, isRoot } = operators
const { paginate, toCallback, type, votesFor, where } = operators

const PAGE = 12
const CARD = { allowlist: ["post"], threadMaxSize: 3 }

const QUESTIONS = {
  "the latest 10 posts": messages(and(type("post"), isPublic()), 10),
  "the roots of 12 threads": messages(and(type("post"), isRoot(), isPublic()), PAGE),
  "a page of 12 threads": threads(() => ssb.threads.public({ ...CARD, following: true })),
  "the replies of a thread": messages(hasRoot(asked.root), 1000),
  "a page of a thread": threads(() => ssb.threads.thread({ root: asked.root })),
  "a page of a profile": profile,
  "the latest 50 of an author": messages(author(asked.author), 50),
  "the latest 50 of a type": messages(type("contact"), 50),
  "the latest 50 posts of an author": messages(and(author(asked.author), type("post")), 50),
  "the latest 50 mentions": messages(mentions(asked.own), 50),
  "who likes a message": messages(votesFor(asked.liked), 1000),
  "a page of a channel": threads(() => ssb.threads.hashtagSummary({ hashtag: "gardening", allowlist: ["post"] }))
}

function messages (what, limit) {
  return () => new Promise((resolve, reject) => {
    ssb.db.query(where(what), descending(), paginate(limit), toCallback((error, page) => {
      if (error) reject(error)
      else resolve(page.results.length)
    }))
  })
}

function threads (source) {
  return () => new Promise((resolve, reject) => {
    pull(source(), pull.take(PAGE), pull.collect((error, found) => {
      if (error) reject(error)
      else resolve(found.length)
    }))
  })
}

// Their threads, what they say of themselves, and how they and I see each other.
async function profile () {
  const them = asked.author
  const both = [{ source: asked.own, dest: them }, { source: them, dest: asked.own }]
  const answers = [told((done) => ssb.aboutSelf.get(them, done))]
  for (const ways of both) {
    answers.push(told((done) => ssb.friends.isFollowing(ways, done)))
    answers.push(told((done) => ssb.friends.isBlocking(ways, done)))
  }
  await Promise.all(answers)
  return threads(() => ssb.threads.profile({ ...CARD, id: them }))()
}

function told (call) {
  return new Promise((resolve, reject) => {
    call((error, answer) => (error ? reject(error) : resolve(answer)))
  })
}

asking.tell(async () => {
  const began = Date.now()
  await asking.load(ssb, asked.lines)
  const loaded = Date.now()
  const before = process.cpuUsage()
  await new Promise((resolve) => ssb.db.onDrain(resolve))
  for (const question of Object.values(QUESTIONS)) await question()
  const used = process.cpuUsage(before)
  const indexed = Date.now()
  const answers = {}
  for (const [name, question] of Object.entries(QUESTIONS)) {
    answers[name] = await asking.ask(question, asked.runs)
  }
  return {
    load_s: (loaded - began) / 1000,
    index_s: (indexed - loaded) / 1000,
    index_cpu_s: (used.user + used.system) / 1e6,
    memory_mib: process.resourceUsage().maxRSS / 1024,
    answers
  }
})
