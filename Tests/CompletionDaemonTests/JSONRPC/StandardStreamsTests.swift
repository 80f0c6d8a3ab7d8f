// The protocol's stream belongs to the writer alone: what anything else prints must not reach the client.

import Glibc
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Standard streams")
struct StandardStreamsTests {
    @Test(
        "After the streams are taken over, a stray print does not reach the client, and SIGPIPE does not kill"
    )
    func strayPrint() async {
        await #expect(processExitsWith: .success) {
            var toClient: [Int32] = [0, 0]
            _ = pipe(&toClient)
            dup2(toClient[1], STDOUT_FILENO)
            close(toClient[1])
            let streams = try StandardStreams.takeOver()
            print("stray")
            fflush(nil)
            _ = write(streams.output, "frame", 5)
            var received = [UInt8](repeating: 0, count: 100)
            let count = read(toClient[0], &received, received.count)
            #expect(received.prefix(max(0, count)).elementsEqual("frame".utf8))
            // Nothing else can take the client's bytes from descriptor 0 either.
            #expect(read(STDIN_FILENO, &received, received.count) == 0)
            close(toClient[0])
            #expect(write(streams.output, "x", 1) == -1 && errno == EPIPE)
        }
    }

    @Test("A closed standard stream is an error that says what to do")
    func closedStream() async {
        await #expect(processExitsWith: .success) {
            // Not by closing descriptor 1: another thread of this process would take its number.
            let error = #expect(throws: StandardStreamsError.self) {
                _ = try StandardStreams.takeOver(output: Int32.max)
            }
            #expect(error?.description.contains("start `foretoken serve`") == true)
        }
    }
}

@Suite("Server process driver")
struct ServerProcessTests {
    @Test("Messages go to a process and come back, and its end is seen")
    func echo() throws {
        // cat sends every frame back as it is.
        let process = try ServerProcess(path: "/bin/cat", arguments: [])
        let large = [UInt8](repeating: 0x20, count: 30_000)
        for body in [Array("{}".utf8), [], large] {
            try process.send(body)
            #expect(try process.receive() == body)
        }
        process.closeInput()
        #expect(try process.receive() == nil)
        #expect(process.waitForExit() == 0)
    }

    @Test("A program that does not exist is an error")
    func missingProgram() {
        #expect(throws: ServerProcessError.self) {
            _ = try ServerProcess(path: "/no/such/program", arguments: [])
        }
    }
}
