/* Reads a Job DSL script from stdin and answers with its calls as nested JSON: {word: [arguments…, {…}]}. */
import groovy.json.JsonOutput

class Block {
    final Map calls = [:]

    Object methodMissing(String word, Object arguments) {
        calls[word] = (arguments as List).collect { it in Closure ? read(it) : it }
    }

    static Map read(Closure body) {
        Block block = new Block()
        body.delegate = block
        body.resolveStrategy = Closure.DELEGATE_ONLY
        body()
        block.calls
    }
}

print JsonOutput.toJson(Block.read(new GroovyShell().evaluate("{ -> ${System.in.text} }") as Closure))
