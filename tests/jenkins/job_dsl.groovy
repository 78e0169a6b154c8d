/*
 * Reads a Job DSL script from stdin and answers with its calls as nested JSON: {word: [arguments…, {…}]}; a word that stands
 * twice has the arguments of both, one behind the other. What Jenkins provides is there by its name.
 */
import groovy.json.JsonOutput

class Block {
    final Map calls = [:]

    Object methodMissing(String word, Object arguments) {
        calls[word] = calls.get(word, []) + (arguments as List).collect { it in Closure ? read(it) : it }
    }

    Object propertyMissing(String name) {
        "the value of ${name}" as String
    }

    static Map read(Closure body) {
        Block block = new Block()
        body.delegate = block
        body.resolveStrategy = Closure.DELEGATE_ONLY
        body()
        block.calls
    }
}

GroovyClassLoader loader = new GroovyClassLoader(this.class.classLoader)
loader.parseClass('package hudson.util; class Secret { String text; static fromString(text) { new Secret(text: text) } }')
print JsonOutput.toJson(Block.read(new GroovyShell(loader).evaluate("{ -> ${System.in.text} }") as Closure))
