/*
 * One build for each connection to the agent of pull requests: once a build has let go of it, the connection is closed and
 * another one opened, which is another user there (boot/build.sh). The controller runs this when it starts.
 */
/* groovylint-disable UnusedMethodParameter */
import hudson.ExtensionList
import hudson.model.Computer
import hudson.model.Executor
import hudson.model.ExecutorListener
import hudson.model.Queue
import hudson.slaves.OfflineCause

class OneBuild implements ExecutorListener {
    private static final String AGENT = 'preview'

    void taskAccepted(Executor executor, Queue.Task task) {
        if (executor.owner.name == AGENT) {
            executor.owner.acceptingTasks = false
        }
    }

    void taskCompleted(Executor executor, Queue.Task task, long milliseconds) {
        reconnect(executor.owner)
    }

    void taskCompletedWithProblems(Executor executor, Queue.Task task, long milliseconds, Throwable problems) {
        reconnect(executor.owner)
    }

    private static void reconnect(Computer computer) {
        if (computer.name == AGENT) {
            Computer.threadPoolForRemoting.submit({
                computer.disconnect(new OfflineCause.IdleOfflineCause()).get()
                // Not before the old connection is closed; where that fails, no build takes the old user.
                computer.acceptingTasks = true
                computer.connect(true)
            } as Runnable)
        }
    }
}

ExtensionList.lookup(ExecutorListener).add(0, new OneBuild())
