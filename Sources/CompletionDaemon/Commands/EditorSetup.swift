// What each editor has to be told, and in which file. Only texts: nothing is written here. editors/README.md says what
// was tried in which editor.

#if canImport(Glibc)
    import Glibc
#endif

/// Editors that `foretoken setup` knows.
enum EditorName: String, CaseIterable {
    case neovim
    case neovimBuiltin = "neovim-builtin"
    case vim
    case emacs
    case vscode
    case helix
    case kakoune
    case sublime
    case zed
    case jetbrains
}

/// The configuration of one editor.
struct EditorSetup {
    let name: EditorName
    let binaryPath: String
    /// Where the plugins are: beside the installed binary, or in the checkout that it was built in.
    let pluginFolder: String

    init(_ name: EditorName, binaryPath: String) {
        self.init(name, binaryPath: binaryPath, pluginFolder: Self.findPluginFolder(binaryPath))
    }

    init(_ name: EditorName, binaryPath: String, pluginFolder: String) {
        self.name = name
        self.binaryPath = binaryPath
        self.pluginFolder = pluginFolder
    }

    private static func findPluginFolder(_ binaryPath: String) -> String {
        let candidates = ModelLocator.folders().map { folder in
            folder.hasSuffix("/Models") ? folder.dropLast("Models".count) + "editors" : folder + "/editors"
        }
        return candidates.first { access($0, F_OK) == 0 } ?? candidates[0]
    }

    /// The lines, each ended by a line break.
    var lines: String {
        switch name {
        case .neovim:
            isNeovimConfiguredInVimscript ? "lua << END\n\(neovimLines)END\n" : neovimLines
        case .neovimBuiltin:
            isNeovimConfiguredInVimscript ? "lua << END\n\(neovimBuiltinLines)END\n" : neovimBuiltinLines
        case .vim:
            """
            let &runtimepath .= ',' . escape(\(vimString(pluginFolder + "/vim")), '\\,')
            let g:foretoken = #{command: [\(vimString(binaryPath)), 'serve']}

            """
        case .emacs:
            """
            (add-to-list 'load-path \(quoted(pluginFolder + "/emacs")))
            (setq foretoken-command '(\(quoted(binaryPath)) "serve"))
            (require 'foretoken)
            (foretoken-global-mode 1)

            """
        case .vscode:
            """
            python3 \(shellString(pluginFolder + "/vscode/package.py")) /tmp/foretoken.vsix
            code --install-extension /tmp/foretoken.vsix

            """
        case .helix, .kakoune, .sublime, .zed, .jetbrains: languageServerLines
        }
    }

    private var neovimLines: String {
        """
        vim.opt.runtimepath:append(\(quoted(pluginFolder + "/neovim")))
        require('foretoken').setup({ command = { \(quoted(binaryPath)), 'serve' } })

        """
    }

    private var neovimBuiltinLines: String {
        """
        vim.lsp.config('foretoken', { cmd = { \(quoted(binaryPath)), 'serve' }, root_markers = { '.git' } })
        vim.lsp.enable('foretoken')
        vim.lsp.inline_completion.enable()
        vim.keymap.set('i', '<Tab>', function()
          if not vim.lsp.inline_completion.get() then return '<Tab>' end
        end, { expr = true })
        vim.keymap.set('i', '<C-Up>', function() vim.lsp.inline_completion.select() end)

        """
    }

    /// For editors whose own settings name a language server's command.
    private var languageServerLines: String { "\(shellString(binaryPath)) serve\n" }

    /// What to do with the lines.
    var advice: String {
        switch name {
        case .neovim, .neovimBuiltin, .vim, .emacs:
            "these lines belong into \(filePath ?? "the editor's configuration"); "
                + "foretoken setup \(name.rawValue) --write puts them there"
        case .vscode:
            "run these lines in a shell; code --uninstall-extension foretoken.foretoken removes the extension"
        case .helix, .kakoune, .sublime, .zed, .jetbrains:
            "this is the language server's command; \(pluginFolder)/README.md says what \(name.rawValue) can do with it"
        }
    }

    // MARK: Files

    private static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.hasPrefix("/") ? $0 : nil }
    }

    private var home: String? { Self.variable("HOME") }

    private var configurationHome: String? { Self.variable("XDG_CONFIG_HOME") ?? home.map { $0 + "/.config" } }

    private func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    private var isNeovimConfiguredInVimscript: Bool { filePath?.hasSuffix(".vim") ?? false }

    /// The file that the editor reads at its start, there or not; nil for editors that are set up in another way.
    var filePath: String? {
        switch name {
        case .neovim, .neovimBuiltin:
            return configurationHome.map { folder in
                let lua = folder + "/nvim/init.lua"
                let vimscript = folder + "/nvim/init.vim"
                return !exists(lua) && exists(vimscript) ? vimscript : lua
            }
        case .vim:
            return home.map { folder in
                let inFolder = folder + "/.vim/vimrc"
                return !exists(folder + "/.vimrc") && exists(inFolder) ? inFolder : folder + "/.vimrc"
            }
        case .emacs:
            // In the order in which Emacs looks.
            guard let home else { return nil }
            let others = [home + "/.emacs", home + "/.emacs.el", home + "/.emacs.d/init.el"]
            let modern = (configurationHome ?? home + "/.config") + "/emacs/init.el"
            return (others + [modern]).first(where: exists) ?? others[2]
        case .vscode, .helix, .kakoune, .sublime, .zed, .jetbrains:
            return nil
        }
    }

    /// How a comment begins in that file.
    var comment: String? {
        switch name {
        case .neovim, .neovimBuiltin: isNeovimConfiguredInVimscript ? "\"" : "--"
        case .vim: "\""
        case .emacs: ";;"
        case .vscode, .helix, .kakoune, .sublime, .zed, .jetbrains: nil
        }
    }

    // MARK: Quoting

    /// A string of Lua and of Emacs Lisp.
    private func quoted(_ text: String) -> String {
        "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    private func vimString(_ text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }

    private func shellString(_ text: String) -> String {
        let isPlain = text.allSatisfy { $0.isLetter || $0.isNumber || "/._-+".contains($0) }
        return isPlain ? text : "'" + text.replacing("'", with: "'\\''") + "'"
    }
}
