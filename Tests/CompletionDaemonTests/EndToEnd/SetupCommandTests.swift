// `foretoken setup` as a shell sees it: what it prints, what it writes, and that nothing else in a user's
// configuration changes.

import Foundation
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Setup command", .serialized)
struct SetupCommandTests {
    private let home: RepositoryFixture

    init() throws { home = try RepositoryFixture(isRepository: false, name: "home") }

    /// As the running binary knows itself.
    private static let binaryPath = URL(fileURLWithPath: Binary.path).resolvingSymlinksInPath().path

    private func run(_ arguments: String...) throws -> Binary.Result {
        try Binary.run(
            ["setup"] + arguments, environment: ["HOME": home.path, "XDG_CONFIG_HOME": home.path + "/.config"])
    }

    private func text(_ name: String) throws -> String {
        String(decoding: try FixturePaths.bytes(home.path + "/" + name), as: UTF8.self)
    }

    @Test(
        "Every editor has lines that name this binary or its plugin; printing writes nothing",
        arguments: EditorName.allCases)
    func printing(editor: EditorName) throws {
        let result = try run(editor.rawValue)
        #expect(result.exitCode == 0 && !result.errorOutput.isEmpty)
        let plugin = "\"\(FixturePaths.checkoutRoot)/editors/"
        let expected = [.neovim, .emacs].contains(editor) ? plugin + editor.rawValue : Self.binaryPath
        #expect(result.output.contains(editor == .vscode ? "/editors/vscode/package.py" : expected))
        #expect(result.output.hasSuffix("\n"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: home.path).isEmpty)
    }

    @Test(
        "Written lines go behind what is there, twice is once, and removing restores the file",
        arguments: [
            ("neovim", ".config/nvim/init.lua"), ("neovim-builtin", ".config/nvim/init.lua"), ("vim", ".vimrc"),
            ("emacs", ".emacs.d/init.el"),
        ])
    func writing(editor: String, file: String) throws {
        let before = "-- é mine\n"
        try home.write(file, before)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: home.path + "/" + file)
        let first = try run(editor, "--write")
        #expect(first.exitCode == 0 && first.errorOutput.contains("written to \(home.path)/\(file)"))
        let written = try text(file)
        #expect(written.hasPrefix(before + "\n") && written.contains(first.output))
        let again = try run(editor, "--write")
        #expect(again.exitCode == 0 && again.errorOutput.contains("already"))
        #expect(try text(file) == written)
        #expect(try run(editor, "--remove").exitCode == 0)
        #expect(try text(file) == before)
        #expect(try run(editor, "--remove").errorOutput.contains("no lines"))
        let attributes = try FileManager.default.attributesOfItem(atPath: home.path + "/" + file)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        let folder = (home.path + "/" + file as NSString).deletingLastPathComponent
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count { $0.contains("foretoken") } == 0)
    }

    @Test("Older lines are renewed where they stand; a missing file and its folders are made")
    func renewing() throws {
        #expect(try run("neovim", "--write").exitCode == 0)
        let written = try text(".config/nvim/init.lua")
        try home.write(
            ".config/nvim/init.lua", "a\n" + written.replacing(Self.binaryPath, with: "/older/foretoken") + "b\n")
        #expect(try run("neovim", "--write").exitCode == 0)
        #expect(try text(".config/nvim/init.lua") == "a\n" + written + "b\n")
    }

    @Test("A configuration in Vimscript gets Lua in it; a link stays a link")
    func linksAndVimscript() throws {
        try home.write("dotfiles/init.vim", "set number\n")
        try FileManager.default.createDirectory(
            atPath: home.path + "/.config/nvim", withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: home.path + "/.config/nvim/init.vim", withDestinationPath: home.path + "/dotfiles/init.vim")
        #expect(try run("neovim", "--write").exitCode == 0)
        #expect(try text("dotfiles/init.vim").contains("lua << END\n"))
        let attributes = try FileManager.default.attributesOfItem(atPath: home.path + "/.config/nvim/init.vim")
        #expect(attributes[.type] as? FileAttributeType == .typeSymbolicLink)
    }

    @Test("A link that leads nowhere is named and stays, and nothing is made in its place or behind it")
    func danglingLink() throws {
        for target in [home.path + "/dotfiles/vimrc", "gone", ".vimrc"] {
            try FileManager.default.createSymbolicLink(
                atPath: home.path + "/.vimrc", withDestinationPath: target)
            let result = try run("vim", "--write")
            #expect(result.exitCode == 1 && result.errorOutput.contains("leads to no file"), "\(target)")
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: home.path + "/.vimrc") == target)
            #expect(try FileManager.default.contentsOfDirectory(atPath: home.path) == [".vimrc"])
            try home.remove(".vimrc")
        }
    }

    @Test("A file of another name beside the configuration is not touched")
    func temporaryName() throws {
        try home.write(".vimrc", "set number\n")
        try home.write(".vimrc.foretoken-new", "mine\n")
        #expect(try run("vim", "--write").exitCode == 0)
        #expect(try text(".vimrc.foretoken-new") == "mine\n")
        #expect(try Set(FileManager.default.contentsOfDirectory(atPath: home.path)).count == 2)
    }

    @Test("Damaged marking lines, files that are no text and editors without a file are refused, with nothing changed")
    func refusals() throws {
        let damaged = "\" >>> foretoken setup >>>\nmine\n"
        try home.write(".vimrc", damaged)
        let result = try run("vim", "--write")
        #expect(result.exitCode == 1 && result.errorOutput.contains("damaged"))
        #expect(try text(".vimrc") == damaged)
        try Data([0x66, 0xFF, 0xFE]).write(to: URL(fileURLWithPath: home.path + "/.emacs"))
        #expect(try run("emacs", "--write").errorOutput.contains("not UTF-8"))
        #expect(try FixturePaths.bytes(home.path + "/.emacs") == [0x66, 0xFF, 0xFE])
        #expect(try run("zed", "--write").exitCode == 2)
        #expect(try run("vim", "--write", "--remove").exitCode == 2)
        #expect(try run("notepad").exitCode == 2)
    }

    @Test("Names with quotes stay names in every language")
    func quoting() {
        let setup = { EditorSetup($0, binaryPath: "/a 'b' \"c\"/foretoken", pluginFolder: "/p 'q'") }
        #expect(setup(.neovim).lines.contains(#"{ "/a 'b' \"c\"/foretoken", 'serve' }"#))
        #expect(setup(.vim).lines.contains(#"['/a ''b'' "c"/foretoken', 'serve']"#))
        #expect(setup(.emacs).lines.contains(#"'("/a 'b' \"c\"/foretoken" "serve")"#))
        #expect(setup(.helix).lines == "'/a '\\''b'\\'' \"c\"/foretoken' serve\n")
    }

    @Test("Shell completion scripts know the commands", arguments: ["bash", "zsh", "fish"])
    func completionScripts(shell: String) throws {
        let result = try Binary.run(["--generate-completion-script", shell])
        #expect(result.exitCode == 0)
        for command in ["serve", "complete", "setup", "doctor"] { #expect(result.output.contains(command)) }
    }
}
