/*
 * Runs Jenkinsfiles without Jenkins: reads {sources: {name: text}, scenarios: {name: scenario}} as JSON and answers
 * {name: {scenario: {result, trace, refused}}}. Order and conditions are those of Jenkins's own interpreter
 * (ModelInterpreter.groovy of pipeline-model-definition). What is not listed here is refused: new words are added first.
 */
import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import groovy.transform.InheritConstructors
import groovy.transform.TupleConstructor
import org.codehaus.groovy.control.CompilationFailedException

/** Jenkins would refuse the file, or this harness does not know the word. */
@InheritConstructors
class Refusal extends RuntimeException { }

/** A step failed, or the build was aborted in it: the message is the build's result. */
@InheritConstructors
class Broken extends RuntimeException { }

/** What may be said in one `{ … }`: its words and its variables. Nothing else is found, not even Groovy's own methods. */
@TupleConstructor(includeFields = true)
class Section extends GroovyObjectSupport implements GroovyInterceptable {
    private final String title
    private final Map words = [:]
    private final Map variables = [:]
    private final boolean repeats = false
    private final Set seen = []

    /** Runs the block with this section's words, and answers its value. */
    static Object read(Closure block, Section section) {
        Closure bound = block.rehydrate(section, null, null)
        bound.resolveStrategy = Closure.DELEGATE_ONLY
        bound.call()
    }

    Object invokeMethod(String word, Object arguments) {
        Build.expect(this.@words.containsKey(word), "`${word}` is no word of ${this.@title}")
        Build.expect(this.@seen.add(word) || this.@repeats, "`${word}` stands twice in ${this.@title}")
        this.@words.get(word).call(*(arguments as List))
    }

    Object getProperty(String name) {
        Build.expect(this.@variables.containsKey(name), "`${name}` is no variable of ${this.@title}")
        this.@variables.get(name)
    }
}

/** One build of one Jenkinsfile. */
class Build {
    /** Per step: the parameter that may go without a name, the others, and whether it needs a node or takes a block. */
    static final Map STEPS = [
        archiveArtifacts: [first: 'artifacts', more: ['allowEmptyArchive'], node: true],
        checkout        : [first: 'scm', node: true],
        deleteDir       : [node: true],
        echo            : [first: 'message'],
        error           : [first: 'message'],
        junit           : [first: 'testResults', node: true],
        lock            : [first: 'resource', more: ['inversePrecedence', 'timeoutForAllocateResource', 'timeoutUnit'], block: true],
        milestone       : [first: 'ordinal'],
        publishChecks   : [more: ['name', 'title', 'summary', 'conclusion']],
        readFile        : [first: 'file', node: true],
        sh              : [first: 'script', node: true],
        stash           : [first: 'name', more: ['includes', 'allowEmpty'], node: true],
        timeout         : [first: 'time', more: ['unit'], block: true],
        timestamps      : [block: true],
        unstash         : [first: 'name', node: true],
        withCredentials : [first: 'bindings', block: true],
    ]
    static final Map SYMBOLS = [
        usernamePassword: ['credentialsId', 'passwordVariable', 'usernameVariable'],
        logRotator      : ['artifactNumToKeepStr', 'numToKeepStr'],
    ].collectEntries { word, parameters ->
        [word, { Map given ->
            expect(parameters.containsAll(given.keySet()), "${given.keySet()} are no parameters of ${word}")
            [symbol: word] + given
        }]
    }

    static void expect(boolean right, Object message) {
        if (!right) {
            throw new Refusal(message as String)
        }
    }

    final Map scenario
    final Section env
    final List trace = []
    private final List inside = []
    private int milestone = -1

    Build(Map scenario) {
        this.scenario = scenario
        env = new Section('what Jenkins sets', [:], scenario.env)
    }

    void pipeline(Closure body) {
        Map parts = parts('pipeline', body, ['agent', 'options', 'triggers', 'stages'])
        expect(parts.agent != null && parts.stages != null, 'pipeline needs an agent and stages')
        if (parts.triggers) {
            Section.read(parts.triggers, new Section('triggers', [cron: { spec -> note('cron', [spec: spec]) }], [env: env]))
        }
        wrapped(wrappers(parts.options, [
            buildDiscarder         : { strategy -> note('buildDiscarder', [strategy: strategy]) },
            disableRestartFromStage: { -> note('disableRestartFromStage', [:]) },
            skipDefaultCheckout    : { -> note('skipDefaultCheckout', [:]) },
        ])) {
            onAgent(parts.agent) { stages('pipeline', parts.stages).each { throw it } }
        }
    }

    /** Runs stages one after the other until one is broken. Answers with that, in a list that is empty otherwise. */
    private List stages(String title, Closure body) {
        Map bodies = [:]
        Section.read(body, new Section("stages of ${title}", [stage: { String name, Closure stage ->
            expect(bodies.put(name, stage) == null, "two stages are called ${name}")
        }], [:], true))
        bodies.inject([]) { errors, name, stage -> errors ?: attempt { within('stage', [name: name]) { runStage(name, stage) } } }
    }

    private void runStage(String name, Closure body) {
        Map stage = parts("stage ${name}", body, ['agent', 'options', 'input', 'when', 'steps', 'stages', 'post'])
        expect((stage.steps == null) != (stage.stages == null), "stage ${name} needs either steps or stages")
        Map when = stage.when ? condition(name, stage.when) : [holds: { true }]
        boolean held = false
        Closure holds = { boolean now -> held || !now || (held = when.holds()) }
        if (holds(when.beforeOptions as boolean)) {
            wrapped(wrappers(stage.options)) {
                if (holds(when.beforeInput as boolean)) {
                    if (stage.input) {
                        note('input', parts('input', stage.input, ['message', 'ok', 'submitter']))
                    }
                    if (holds(when.beforeAgent as boolean)) {
                        onAgent(stage.agent) {
                            if (holds(true)) {
                                work(name, stage)
                            }
                        }
                    }
                }
            }
        }
    }

    private void work(String name, Map stage) {
        List errors = stage.stages ? stages(name, stage.stages) : attempt { perform(name, stage.steps) }
        String result = errors ? errors[0].message : 'SUCCESS'
        Map satisfied = [always: true, aborted: result == 'ABORTED', success: result == 'SUCCESS', // in Jenkins's order
                         unsuccessful: result != 'SUCCESS', failure: result == 'FAILURE', cleanup: true]
        Map post = stage.post ? parts("post of ${name}", stage.post, satisfied.keySet() as List) : [:]
        satisfied.findAll { word, holds -> holds && post[word] }.each { word, _ ->
            errors += attempt { within('post', [condition: word]) { perform("${word} of ${name}", post[word]) } }
        }
        errors.take(1).each { throw it }
    }

    private void onAgent(Object agent, Closure body) {
        if (agent in Closure) {
            within('node', parts('agent', agent, ['label'], [env: env]), body)
        } else {
            body()
        }
    }

    /** The options that wrap what follows, in the order of the file. */
    private List wrappers(Closure options, Map settings = [:]) {
        List found = []
        Map words = ['lock', 'timeout', 'timestamps'].collectEntries { w -> [w, { Object[] given -> found << [w, given] }] }
        if (options) {
            Section.read(options, new Section('options', words + settings + SYMBOLS, [env: env]))
        }
        found
    }

    private void wrapped(List wrappers, Closure body) {
        if (wrappers) {
            step(wrappers[0][0], (wrappers[0][1] as List) + { -> wrapped(wrappers.tail(), body) }) { it() }
        } else {
            body()
        }
    }

    private Object perform(String title, Closure block) {
        Map words = STEPS.keySet().collectEntries { word ->
            [word, { Object[] given -> step(word, given as List) { perform(word, it) } }]
        }
        Section.read(block, new Section(title, words + SYMBOLS, [env: env, scm: 'scm'], true))
    }

    private Object step(String word, List arguments, Closure runBlock) {
        Map known = STEPS[word]
        List given = arguments.findAll { !(it in Closure) }
        expect(given.size() < arguments.size() == (known.block as boolean), "`${word}` and its block do not fit")
        boolean byName = given && given[0] in Map
        expect(given.size() <= 1 && (byName || !given || known.first), "`${word}` has wrong arguments")
        Map named = byName ? given[0] : given ? [(known.first): given[0]] : [:]
        expect(([known.first] + known.more).containsAll(named.keySet()), "${named.keySet()} are no parameters of ${word}")
        expect(!known.first || named[known.first] != null, "`${word}` needs ${known.first}")
        expect(!known.node || inside.any { trace[it].word == 'node' }, "`${word}` needs an agent")
        expect(!(named.script in GString), '`sh` takes single quotes: Groovy would write values, secrets too, into the command')
        if (word == 'milestone') {
            expect(named.ordinal > milestone, "milestone ${named.ordinal} does not come after ${milestone}")
            milestone = named.ordinal
        }
        named = named.collectEntries { key, value -> [key, value in GString ? value as String : value] }
        if (known.block) {
            return within(word, named) { runBlock(arguments.last()) }
        }
        note(word, named)
        if (word == 'error') {
            throw new Broken('FAILURE')
        }
        word == 'readFile' ? "text of ${named.file}" : null
    }

    /** A `when`: whether it comes before options, input and agent, and its conditions, all of which have to hold. */
    private Map condition(String name, Closure body) {
        Map when = [:]
        List all = conditions("when of ${name}", body, ['beforeOptions', 'beforeInput', 'beforeAgent'].collectEntries { word ->
            [word, { boolean value -> when[word] = value }]
        })
        when + [holds: { all.every { it() } }]
    }

    private List conditions(String title, Closure body, Map more = [:]) {
        List found = []
        Section.read(body, new Section(title, more + [
            branch       : { String pattern -> found << { env.BRANCH_NAME ==~ pattern.replace('*', '.*') } },
            changeRequest: { -> found << { env.CHANGE_ID != null } },
            triggeredBy  : { String cause -> found << { scenario.causes.any { it =~ "(?i)${cause}" } } },
            expression   : { Closure block -> found << { Section.read(block, new Section('expression', [:], [env: env])) } },
            anyOf        : { Closure block -> conditions('anyOf', block).with { inner -> found << { inner.any { it() } } } },
            not          : { Closure block -> conditions('not', block).with { inner ->
                expect(inner.size() == 1, '`not` takes one condition')
                found << { !inner[0]() }
            } },
        ], [:], true))
        found ?: expect(false, "${title} has no condition")
    }

    /** The parts of a block, to be read later: word → its closure or value. */
    private static Map parts(String title, Closure body, List words, Map variables = [none: 'none']) {
        Map found = [:]
        Section.read(body, new Section(title, words.collectEntries { w -> [w, { value -> found[w] = value }] }, variables))
        found
    }

    /** Notes that something happens inside of an earlier entry, and breaks it where the scenario says so. */
    private void note(String word, Map arguments) {
        trace << [word: word, arguments: arguments, inside: inside ? inside.last() : null]
        if (scenario.broken && ([word] + arguments.values()).join(' ') =~ scenario.broken) {
            throw new Broken(scenario.result)
        }
    }

    private Object within(String word, Map arguments, Closure body) {
        note(word, arguments)
        inside << trace.size() - 1
        try {
            return body()
        } finally {
            inside.remove(inside.size() - 1)
        }
    }

    private static List attempt(Closure body) {
        try {
            body()
            return []
        } catch (Broken error) {
            return [error]
        }
    }
}

Map outcome(Class file, Map scenario) {
    Build build = new Build(scenario)
    Map answer = [result: 'SUCCESS', trace: build.trace]
    Script script = file.newInstance()
    script.binding = new Binding(pipeline: { Closure body -> build.pipeline(body) })
    try {
        script.run()
    } catch (Broken error) {
        answer.result = error.message
    } catch (Refusal | MissingMethodException | MissingPropertyException error) {
        answer.refused = "line ${error.stackTrace.find { it.fileName == 'Jenkinsfile' }?.lineNumber}: ${error.message}"
    }
    answer
}

Map outcomes(String text, Map scenarios) {
    try {
        Class file = new GroovyClassLoader(this.class.classLoader).parseClass(text, 'Jenkinsfile')
        return scenarios.collectEntries { name, scenario -> [name, outcome(file, scenario)] }
    } catch (CompilationFailedException error) {
        return scenarios.collectEntries { name, _ -> [name, [trace: [], refused: error.message]] }
    }
}

Map asked = new JsonSlurper().parse(System.in) as Map
print JsonOutput.toJson(asked.sources.collectEntries { name, text -> [name, outcomes(text, asked.scenarios)] })
