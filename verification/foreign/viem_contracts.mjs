// Compiles the contracts of viem's tests, as its own script does with forge: FOLDER/src -> FOLDER/generated.ts.
// Arguments: the folder, that of the libraries (npm's), and that of solc.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [folder, libraries, clients] = process.argv.slice(2)
const solc = createRequire(join(clients, 'package.json'))('solc')
const places = [
  [/^solady(-\w+)?\//, join(libraries, 'node_modules/solady/src/')],
  [/^@openzeppelin\//, join(libraries, 'node_modules/@openzeppelin/')],
]

function found(path) {
  const place = places.find(([pattern]) => pattern.test(path))
  const file = place ? path.replace(...place) : join(folder, path)
  return existsSync(file) ? { contents: readFileSync(file, 'utf8') } : { error: `${path} is not there` }
}

const contracts = {}
for (const file of readdirSync(join(folder, 'src'), { recursive: true })) {
  if (!file.endsWith('.sol')) continue
  const name = `src/${file}`
  const input = {
    language: 'Solidity',
    sources: { [name]: found(name) && { content: found(name).contents } },
    settings: { outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } } },
  }
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: found }))
  const error = output.errors?.find(({ severity }) => severity === 'error')
  if (error) {
    // those of account abstraction have libraries that npm lacks
    console.error(`${name}: ${error.formattedMessage.split('\n')[0]}`)
    continue
  }
  for (const each of Object.values(output.contracts))
    for (const [name, { abi, evm }] of Object.entries(each))
      contracts[name] ??= { abi, bytecode: { object: `0x${evm.bytecode.object}` } }
}
const lines = Object.entries(contracts).map(([name, value]) => `export const ${name} = ${JSON.stringify(value)} as const`)
writeFileSync(join(folder, 'generated.ts'), `${lines.join('\n')}\n`)
