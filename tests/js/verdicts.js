// Answers, for each line {text, state, hmacKey} of JSON on standard input, what the two validators
// of the JavaScript peers say of the message in the text. First argument: the node_modules to use.
'use strict'

const path = require('path')
const modules = path.resolve(process.argv[2])
const keys = require(path.join(modules, 'ssb-keys'))

// Each message is judged four times; its signature needs to be checked only once.
const verify = keys.verifyObj
let last = {}
keys.verifyObj = (key, hmacKey, message) => {
  if (last.message !== message) last = { message, result: verify(key, hmacKey, message) }
  return last.result
}

const validate = require(path.join(modules, 'ssb-validate'))
const classic = require(path.join(modules, 'ssb-classic', 'format.js'))

const complaint = (check) => {
  try {
    const error = check()
    return error ? String(error.message) : null
  } catch (error) {
    return `threw: ${error.message}`
  }
}

const called = (method, ...parameters) => {
  let answer
  method(...parameters, (error) => { answer = error })
  return answer
}

const judge = ({ text, state, hmacKey }) => {
  let message
  try {
    message = JSON.parse(text)
  } catch {
    const error = 'not JSON'
    return { validate: error, classic: error, validateAlone: error, classicAlone: error, key: null }
  }
  const answer = {
    validate: complaint(() => validate.checkInvalid(state, hmacKey, message)),
    classic: complaint(() => called(classic.validate, message, state, hmacKey)),
    validateAlone: complaint(() => validate.checkInvalidOOO(message, hmacKey)),
    classicAlone: complaint(() => called(classic.validateOOO, message, hmacKey)),
    key: null
  }
  if (answer.validate === null || answer.validateAlone === null) {
    answer.key = validate.id(message)
    if (classic.getMsgId(message) !== answer.key) answer.key = 'the two ids differ'
  }
  return answer
}

const lines = require('fs').readFileSync(0, 'utf8').split('\n').slice(0, -1)
process.stdout.write(lines.map((line) => JSON.stringify(judge(JSON.parse(line))) + '\n').join(''))
