/*
 * Runs jenkins/one-build.groovy, which it reads from stdin, on as much of Jenkins as that knows, lets three builds run on two
 * agents, and answers with what happened to each agent, in order. The last time, the connection cannot be closed.
 */
import groovy.json.JsonOutput

GroovyClassLoader jenkins = new GroovyClassLoader(this.class.classLoader)
Closure define = { String source -> jenkins.parseClass(source) }
define('package hudson.model; class Queue { static interface Task { } }')
define '''package hudson.model
class Computer {
    static threadPoolForRemoting = java.util.concurrent.Executors.newSingleThreadExecutor()
    String name
    boolean stuck = false
    final List happened = []
    void setAcceptingTasks(boolean accepting) { happened << (accepting ? 'takes builds' : 'takes no builds') }
    java.util.concurrent.Future disconnect(Object cause) {
        happened << 'is let go'
        def closed = new java.util.concurrent.CompletableFuture()
        stuck ? closed.completeExceptionally(new IOException('stuck')) : closed.complete(null)
        closed
    }
    void connect(boolean force) { happened << 'is connected' }
}'''
define('package hudson.model; class Executor { Computer owner }')
define '''package hudson.model
interface ExecutorListener {
    void taskAccepted(Executor executor, Queue.Task task)
    void taskCompleted(Executor executor, Queue.Task task, long milliseconds)
    void taskCompletedWithProblems(Executor executor, Queue.Task task, long milliseconds, Throwable problems)
}'''
define('package hudson.slaves; class OfflineCause { static class IdleOfflineCause { } }')
define('package hudson; class ExtensionList { static List all = []; static lookup(Class type) { all } }')
new GroovyShell(jenkins).evaluate(System.in.text)

Class computer = jenkins.loadClass('hudson.model.Computer')
Object listener = jenkins.loadClass('hudson.ExtensionList').all[0]
Map agents = ['preview', 'deploy'].collectEntries { [it, computer.newInstance(name: it)] }
Map happened = [:]
Closure build = { String name, Throwable problems ->
    agents.each { agent, owner ->
        Object executor = jenkins.loadClass('hudson.model.Executor').newInstance(owner: owner)
        listener.taskAccepted(executor, null)
        owner.happened << 'builds'
        problems ? listener.taskCompletedWithProblems(executor, null, 1, problems) : listener.taskCompleted(executor, null, 1)
        computer.threadPoolForRemoting.submit { -> }.get()
        happened.get(name, [:])[agent] = owner.happened.collect()
        owner.happened.clear()
    }
}
build('a build that ends well', null)
build('a build that is aborted', new InterruptedException())
agents.preview.stuck = true
build('a build whose connection stays', null)
computer.threadPoolForRemoting.shutdown()
print JsonOutput.toJson(happened)
