// A pthread that runs an actor's jobs, one at a time and in order: the engine's arithmetic never occupies Swift's
// cooperative pool, which has as many threads as the machine has cores and carries everything else.

import CSpecKernels
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A serial executor on a thread of its own. The thread ends when the executor is released.
package final class ComputeThread: SerialExecutor {
    private let queue = JobQueue()

    /// `name` is what debuggers and top show (15 bytes).
    package init(name: String) {
        let start = Unmanaged.passRetained(ThreadStart(queue: queue, name: name))
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 8 << 20)  // attention keeps its tiles on the stack
        let status = pthread_create(
            &thread, &attributes,
            { argument in
                let start = Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue()
                spec_thread_set_name(start.name)
                spec_thread_flush_denormals()
                start.queue.runJobs()
                return nil
            }, start.toOpaque())
        pthread_attr_destroy(&attributes)
        precondition(status == 0, "the compute thread could not be started (error \(status))")
    }

    deinit { queue.close() }

    package func enqueue(_ job: consuming ExecutorJob) {
        queue.add(UnownedJob(job), executor: asUnownedSerialExecutor())
    }
}

/// What the new thread needs; the executor itself is not held, so that it can end.
private final class ThreadStart: Sendable {
    let queue: JobQueue
    let name: String

    init(queue: JobQueue, name: String) {
        self.queue = queue
        self.name = name
    }
}

/// Jobs in order of arrival. Bounded by the number of tasks that call the actor, which the daemon bounds.
private final class JobQueue: @unchecked Sendable {  // all state under `mutex`
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var jobs: [(UnownedJob, UnownedSerialExecutor)] = []
    private var isClosed = false

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(changed)
        mutex.deallocate()
        changed.deallocate()
    }

    func add(_ job: UnownedJob, executor: UnownedSerialExecutor) {
        pthread_mutex_lock(mutex)
        jobs.append((job, executor))
        pthread_cond_signal(changed)
        pthread_mutex_unlock(mutex)
    }

    func close() {
        pthread_mutex_lock(mutex)
        isClosed = true
        pthread_cond_signal(changed)
        pthread_mutex_unlock(mutex)
    }

    /// Runs jobs until the queue is closed and empty.
    func runJobs() {
        while true {
            pthread_mutex_lock(mutex)
            while jobs.isEmpty && !isClosed { pthread_cond_wait(changed, mutex) }
            if jobs.isEmpty {
                pthread_mutex_unlock(mutex)
                return
            }
            let (job, executor) = jobs.removeFirst()
            pthread_mutex_unlock(mutex)
            job.runSynchronously(on: executor)
        }
    }
}
