;;; foretoken.el --- Inline completion from your own machine  -*- lexical-binding: t; -*-

;; Version: 0.1.0
;; Package-Requires: ((emacs "27.1"))
;; Keywords: convenience, tools
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Shows what `foretoken serve' suggests as ghost text after the cursor while you type, and inserts it when you
;; accept it, whole or in parts.  Where Eglot runs a server that offers inline completion, that one is asked;
;; otherwise one server process of its own is started for all buffers, beside whatever Eglot or lsp-mode run.

;;; Code:

(require 'cl-lib)
(require 'jsonrpc)
(require 'subr-x)
(require 'url-util)

(defvar foretoken-mode)
(declare-function eglot-current-server "eglot")
(declare-function eglot--server-capable "eglot")
(declare-function eglot--signal-textDocument/didChange "eglot")
(declare-function eglot-client-capabilities "eglot")

(defgroup foretoken nil "Inline completion from your own machine." :group 'convenience)

(defcustom foretoken-command '("foretoken" "serve")
  "Program and arguments of the language server."
  :type '(repeat string))

(defcustom foretoken-settings nil
  "Settings for the server, a property list; see docs/settings.schema.json."
  :type 'plist)

(defcustom foretoken-delay 0.03
  "Seconds without a key before the server is asked; it adds none of its own."
  :type 'number)

(defface foretoken-ghost '((t :inherit shadow :slant italic)) "Text that is suggested.")

(defvar foretoken-visible-map
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "TAB") #'foretoken-accept)
    (define-key map (kbd "<tab>") #'foretoken-accept)
    (define-key map (kbd "C-<right>") #'foretoken-accept-word)
    (define-key map (kbd "C-<down>") #'foretoken-accept-line)
    (define-key map (kbd "C-<up>") #'foretoken-next)
    (define-key map (kbd "C-g") #'foretoken-dismiss)
    map)
  "Keys while a suggestion is on the screen.")

;;; State

(cl-defstruct (foretoken--suggestion (:copier nil))
  start    ; marker: where the suggestion begins
  behind   ; what followed the cursor on its line when it was asked for
  dropped  ; how many characters of that an acceptance replaces
  items    ; list of (TEXT . what the server sent)
  (index 0)
  told)    ; the items that the server knows were shown

(defvar-local foretoken--current nil "The suggestion of this buffer.")
(defvar-local foretoken--overlay nil "What shows it.")
(defvar-local foretoken--visible nil "Whether a suggestion is shown; turns `foretoken-visible-map' on.")
(defvar-local foretoken--request nil "The request under way: (ID . SERVER), or a fresh symbol before it has an id.")
(defvar-local foretoken--tick nil "The text's tick after the last command.")
(defvar-local foretoken--timer nil)

(defvar foretoken--keys `((foretoken--visible . ,foretoken-visible-map)))
(add-to-list 'emulation-mode-map-alists 'foretoken--keys)

;;; Columns and pieces

(defun foretoken--units (string)
  "The number of UTF-16 units of STRING."
  (+ (length string) (cl-count-if (lambda (character) (> character #xFFFF)) string)))

(defun foretoken--position (&optional point)
  "POINT, or the cursor, as a position of the protocol."
  (save-restriction
    (widen)
    (save-excursion
      (when point (goto-char point))
      (let ((here (point)))
        (list :line (1- (line-number-at-pos here t))
              :character (foretoken--units
                          (buffer-substring-no-properties (progn (forward-line 0) (point)) here)))))))

(defun foretoken--point (position)
  "Where POSITION of the protocol is, in a widened buffer."
  (save-excursion
    (goto-char (point-min))
    (forward-line (plist-get position :line))
    (let ((units (plist-get position :character)))
      (while (and (> units 0) (not (eolp)))
        (setq units (- units (if (> (char-after) #xFFFF) 2 1)))
        (forward-char)))
    (point)))

(defconst foretoken--word
  (concat "\\`[ \t\n\r\f\v]*\\([0-9A-Za-z_\u0080-\U0010FFFF]+"
          "\\|[^0-9A-Za-z_ \t\n\r\f\v\u0080-\U0010FFFF]+\\|\\'\\)"))

(defun foretoken--word-of (text)
  "The beginning of TEXT up to the end of its first word.
That is white space, then letters or else other characters."
  (if (string-match foretoken--word text) (match-string 0 text) text))

(defun foretoken--line-of (text)
  "The beginning of TEXT up to the end of its first line that is not empty."
  (string-match "\\`\n*[^\n]*" text)
  (match-string 0 text))

;;; A server of our own

(defclass foretoken--connection (jsonrpc-process-connection)
  ((ready :initform nil :accessor foretoken--connection-ready)))

(defvar foretoken--server nil "The connection that all buffers without an Eglot server share.")
(defvar foretoken--start-count 0 "How often the server was started without ever having answered.")
(defvar foretoken--status '(:kind "Inactive" :message "") "What the server told last about itself.")
(defvar-local foretoken--sent nil "The text that the server has, nil before it knows the buffer.")
(defvar-local foretoken--version 0)

(defun foretoken--capabilities ()
  "What this client can do."
  '(:general (:positionEncodings ["utf-16"])
    :workspace (:configuration :json-false :workspaceFolders t)
    :textDocument (:synchronization (:didSave t) :inlineCompletion (:dynamicRegistration :json-false))))

(defun foretoken--root ()
  "The folder of the repository around this buffer's file."
  (expand-file-name
   (or (locate-dominating-file default-directory ".git") default-directory)))

(defun foretoken--uri (path)
  "PATH as a URI."
  (concat "file://" (url-hexify-string (directory-file-name (expand-file-name path)) url-path-allowed-chars)))

(defun foretoken--notified (_server method params)
  "Handles METHOD with PARAMS, which the server sent."
  (pcase method
    ('didChangeStatus (setq foretoken--status params) (force-mode-line-update t))
    ('window/showMessage (message "Foretoken: %s" (plist-get params :message)))
    ('window/logMessage
     (when (eql (plist-get params :type) 1) (message "Foretoken: %s" (plist-get params :message))))))

(defun foretoken--asked (_server method params)
  "Answers METHOD with PARAMS, which the server asks."
  (when (eq method 'workspace/configuration)
    (make-vector (length (plist-get params :items)) nil)))

(defun foretoken--start ()
  "Starts the server when there is none and it can be started."
  (unless (or foretoken--server (>= foretoken--start-count 3))
    (cl-incf foretoken--start-count)
    (let* ((root (foretoken--root))
           (process (make-process :name "foretoken" :command foretoken-command :connection-type 'pipe
                                  :coding 'utf-8-emacs-unix :noquery t
                                  :stderr (get-buffer-create " *foretoken stderr*")))
           (server (make-instance 'foretoken--connection :name "foretoken" :process process
                                  :notification-dispatcher #'foretoken--notified
                                  :request-dispatcher #'foretoken--asked
                                  :on-shutdown #'foretoken--ended)))
      (setq foretoken--server server)
      (jsonrpc-async-request
       server :initialize
       (list :processId (emacs-pid) :rootUri (foretoken--uri root)
             :clientInfo (list :name "Emacs" :version emacs-version)
             :workspaceFolders (vector (list :uri (foretoken--uri root)
                                             :name (file-name-nondirectory (directory-file-name root))))
             :capabilities (foretoken--capabilities)
             :initializationOptions (or foretoken-settings (make-hash-table)))
       :timeout 60
       :success-fn (lambda (_) (foretoken--started server))
       :error-fn (lambda (problem) (message "Foretoken: %s" (plist-get problem :message)))))))

(defun foretoken--started (server)
  "SERVER answered: it is told about every buffer."
  (setf (foretoken--connection-ready server) t)
  (setq foretoken--start-count 0)
  (jsonrpc-notify server :initialized (make-hash-table))
  (dolist (buffer (buffer-list))
    (when (buffer-local-value 'foretoken-mode buffer)
      (with-current-buffer buffer
        (when (eq (foretoken--server-here) server)
          (foretoken--synchronize server)
          (when (eq buffer (window-buffer)) (foretoken--schedule)))))))

(defun foretoken--ended (server)
  "SERVER's process is gone."
  (when (eq server foretoken--server)
    (setq foretoken--server nil)
    (dolist (buffer (buffer-list))
      (with-current-buffer buffer (setq foretoken--sent nil foretoken--request nil)))))

(defun foretoken--language ()
  "This buffer's language by the protocol's names."
  (let ((name (string-remove-suffix "-ts" (string-remove-suffix "-mode" (symbol-name major-mode)))))
    (pcase name ("c++" "cpp") ("js" "javascript") ("sh" "shellscript") ("csharp" "csharp") (_ name))))

(defun foretoken--common-suffix (old new start)
  "How many characters the ends of OLD and NEW share, not reaching before START."
  (let ((low 0) (high (- (min (length old) (length new)) start)))
    (while (< low high)
      (let ((middle (/ (+ low high 1) 2)))
        (if (eq t (compare-strings old (- (length old) middle) nil new (- (length new) middle) nil))
            (setq low middle)
          (setq high (1- middle)))))
    low))

(defun foretoken--place-in (text index)
  "The position of the protocol at INDEX of TEXT."
  (let ((line-start 0) (line 0) found)
    (while (and (setq found (string-search "\n" text line-start)) (< found index))
      (setq line (1+ line) line-start (1+ found)))
    (list :line line :character (foretoken--units (substring text line-start index)))))

(defun foretoken--change (old new)
  "The change that makes NEW of OLD, as the protocol has it."
  (let* ((mismatch (compare-strings old nil nil new nil nil))
         (start (1- (abs mismatch)))
         (suffix (foretoken--common-suffix old new start)))
    (list :range (list :start (foretoken--place-in old start)
                       :end (foretoken--place-in old (- (length old) suffix)))
          :text (substring new start (- (length new) suffix)))))

(defun foretoken--synchronize (server)
  "Tells SERVER, our own, the text of this buffer."
  (let ((text (save-restriction (widen) (buffer-substring-no-properties (point-min) (point-max))))
        (uri (foretoken--uri buffer-file-name)))
    (cond
     ((null foretoken--sent)
      (jsonrpc-notify server :textDocument/didOpen
                      (list :textDocument (list :uri uri :languageId (foretoken--language)
                                                :version foretoken--version :text text))))
     ((not (string= text foretoken--sent))
      (cl-incf foretoken--version)
      (jsonrpc-notify server :textDocument/didChange
                      (list :textDocument (list :uri uri :version foretoken--version)
                            :contentChanges (vector (foretoken--change foretoken--sent text))))))
    (setq foretoken--sent text)))

(defun foretoken--saved ()
  "Tells our own server that the file was written."
  (when (and foretoken--sent foretoken--server)
    (jsonrpc-notify foretoken--server :textDocument/didSave
                    (list :textDocument (list :uri (foretoken--uri buffer-file-name))))))

(defun foretoken--closed ()
  "Tells our own server that the buffer goes away."
  (when (and foretoken--sent foretoken--server)
    (jsonrpc-notify foretoken--server :textDocument/didClose
                    (list :textDocument (list :uri (foretoken--uri buffer-file-name)))))
  (setq foretoken--sent nil))

(defun foretoken-shutdown ()
  "Ends the server that was started for inline completion."
  (interactive)
  (when-let ((server foretoken--server))
    (setq foretoken--start-count 0)
    (ignore-errors
      (jsonrpc-request server :shutdown nil :timeout 2)
      (jsonrpc-notify server :exit nil)
      (jsonrpc-shutdown server))))

(add-hook 'kill-emacs-hook #'foretoken-shutdown)

;;; Either server

(with-eval-after-load 'eglot
  (define-advice eglot-client-capabilities (:filter-return (capabilities) foretoken)
    "Says that inline completion is understood."
    (plist-put capabilities :textDocument
               (plist-put (plist-get capabilities :textDocument)
                          :inlineCompletion '(:dynamicRegistration :json-false)))))

(defun foretoken--eglot-server ()
  "Eglot's server of this buffer, when it offers inline completion."
  (when-let ((server (and (fboundp 'eglot-current-server) (eglot-current-server))))
    (and (eglot--server-capable :inlineCompletionProvider) server)))

(defun foretoken--server-here ()
  "Who answers in this buffer; nil when nobody does yet."
  (or (foretoken--eglot-server)
      (when foretoken--server foretoken--server)
      (progn (foretoken--start) foretoken--server)))

(defun foretoken--synchronized-server ()
  "Who answers in this buffer, knowing its text; nil when nobody does yet."
  (when-let ((server (foretoken--server-here)))
    (cond ((not (foretoken--connection-p server)) (eglot--signal-textDocument/didChange) server)
          ((foretoken--connection-ready server) (foretoken--synchronize server) server))))

(defun foretoken--send-request (server method params success failure)
  "Asks SERVER; SUCCESS or FAILURE is called with the answer.  The request's id."
  ;; jsonrpc's public function keeps the id, without which nothing can be cancelled, to itself.
  (car-safe (jsonrpc--async-request-1 server method params :timeout 60
                                      :success-fn success :error-fn failure :timeout-fn #'ignore)))

(defun foretoken--tell (method params)
  "Sends METHOD with PARAMS to this buffer's server."
  (when-let ((server (foretoken--server-here)))
    (ignore-errors (jsonrpc-notify server method params))))

(defun foretoken--execute (command)
  "Runs the protocol's COMMAND on the server.  Nobody waits for the answer."
  (when-let ((server (and command (foretoken--server-here))))
    (foretoken--send-request server :workspace/executeCommand
                             (list :command (plist-get command :command)
                                   :arguments (plist-get command :arguments))
                             #'ignore #'ignore)))

;;; Showing

(defun foretoken--clear ()
  "Takes the suggestion away."
  (when (overlayp foretoken--overlay) (delete-overlay foretoken--overlay))
  (setq foretoken--overlay nil foretoken--visible nil)
  (when foretoken--current
    (set-marker (foretoken--suggestion-start foretoken--current) nil)
    (setq foretoken--current nil)))

(defun foretoken--rest ()
  "What is left of the shown item at the cursor.
Nil when the text or the cursor went another way."
  (when-let ((current foretoken--current)
             (start (marker-position (foretoken--suggestion-start current))))
    (when (and (>= (point) start)
               (string= (buffer-substring-no-properties (point) (line-end-position))
                        (foretoken--suggestion-behind current)))
      (let ((typed (buffer-substring-no-properties start (point)))
            (text (car (nth (foretoken--suggestion-index current) (foretoken--suggestion-items current)))))
        (and (string-prefix-p typed text)
             (not (string= typed text))
             (substring text (length typed)))))))

(defun foretoken--tell-shown ()
  "Tells the server once that the shown item is on the screen."
  (let* ((current foretoken--current)
         (item (nth (foretoken--suggestion-index current) (foretoken--suggestion-items current))))
    (unless (memq item (foretoken--suggestion-told current))
      (push item (foretoken--suggestion-told current))
      (foretoken--tell :textDocument/didShowCompletion (list :item (cdr item))))))

(defun foretoken--draw ()
  "Shows what is left, or nothing.  Whether something is shown."
  (if-let ((rest (foretoken--rest)))
      (let ((ghost (propertize rest 'face 'foretoken-ghost))
            (end (+ (point) (foretoken--suggestion-dropped foretoken--current))))
        ;; The cursor is drawn before the ghost text, not after it.
        (put-text-property 0 1 'cursor t ghost)
        (if (overlayp foretoken--overlay)
            (move-overlay foretoken--overlay (point) end)
          (setq foretoken--overlay (make-overlay (point) end nil t t)))
        (overlay-put foretoken--overlay 'invisible (> end (point)))
        (overlay-put foretoken--overlay (if (> end (point)) 'before-string 'after-string) ghost)
        (setq foretoken--visible t)
        (foretoken--tell-shown)
        t)
    (foretoken--clear)
    nil))

(defun foretoken-ghost-text ()
  "What is shown after the cursor, nil when nothing is."
  (and foretoken--visible (overlayp foretoken--overlay)
       (substring-no-properties (or (overlay-get foretoken--overlay 'after-string)
                                    (overlay-get foretoken--overlay 'before-string)))))

;;; Asking

(defun foretoken--cancel ()
  "Calls off what is scheduled and the request under way."
  (when foretoken--timer (cancel-timer foretoken--timer))
  (pcase foretoken--request
    (`(,(and (pred numberp) id) . ,server)
     (ignore-errors (jsonrpc-notify server :$/cancelRequest (list :id id)))))
  (setq foretoken--timer nil foretoken--request nil))

(defun foretoken--read-items (result)
  "The items in RESULT that fit here: (START DROPPED (TEXT . ITEM)…)."
  (let ((items (if (vectorp result) result (plist-get result :items)))
        start dropped read)
    (seq-doseq (item items)
      (let* ((insert (plist-get item :insertText))
             (text (replace-regexp-in-string "\r\n" "\n" (if (stringp insert) insert (plist-get insert :value)) t t))
             (range (plist-get item :range))
             (from (if range (foretoken--point (plist-get range :start)) (point)))
             (to (if range (foretoken--point (plist-get range :end)) (point))))
        (when (and (<= (line-beginning-position) from (point) to (line-end-position))
                   (not (string-empty-p text))
                   (or (null start) (and (= start from) (= dropped (- to (point))))))
          (setq start from dropped (- to (point)))
          (push (cons text item) read))))
    (and read (cons start (cons dropped (nreverse read))))))

(defun foretoken--receive (kind asked behind result)
  "Takes RESULT of a request of KIND, made at ASKED with BEHIND after it."
  (let* ((shown (and (= kind 1) (foretoken--rest)))
         (read (save-restriction
                 (widen)
                 (save-excursion (goto-char asked) (foretoken--read-items result)))))
    ;; Somebody who asked for another one keeps the one there is.
    (when read
      (foretoken--clear)
      (setq foretoken--current
            (make-foretoken--suggestion :start (copy-marker (car read)) :behind behind
                                        :dropped (cadr read) :items (cddr read)))
      (when shown (foretoken--turn shown))
      (foretoken--draw))))

(defun foretoken--turn (shown)
  "Chooses the next item that goes on from here otherwise than SHOWN."
  (let ((count (length (foretoken--suggestion-items foretoken--current))))
    (cl-loop repeat count
             do (setf (foretoken--suggestion-index foretoken--current)
                      (mod (1+ (foretoken--suggestion-index foretoken--current)) count))
             until (let ((rest (foretoken--rest))) (and rest (not (equal rest shown)))))))

(defun foretoken--ask (kind)
  "Asks for suggestions; KIND is 1 when the user wants them, 2 while typing."
  (foretoken--cancel)
  (when-let ((server (foretoken--synchronized-server)))
    (let* ((buffer (current-buffer))
           (asked (point))
           (tick (buffer-chars-modified-tick))
           (behind (buffer-substring-no-properties asked (line-end-position)))
           (before (buffer-substring-no-properties (line-beginning-position) asked))
           (this (list nil)))
      (cl-flet ((take (result)
                  (when (buffer-live-p buffer)
                    (with-current-buffer buffer
                      (when (eq foretoken--request this)
                        (setq foretoken--request nil)
                        ;; What was typed since is after the asked place.
                        (when (and result foretoken-mode (>= (point) asked)
                                   (or (= tick (buffer-chars-modified-tick))
                                       (string= before
                                                (save-excursion
                                                  (goto-char asked)
                                                  (buffer-substring-no-properties (line-beginning-position) asked)))))
                          (foretoken--receive kind asked behind result)))))))
        (setq foretoken--request this)
        (setcdr this server)
        (setcar this (foretoken--send-request
                      server :textDocument/inlineCompletion
                      (list :textDocument (list :uri (foretoken--uri buffer-file-name))
                            :position (foretoken--position)
                            :context (list :triggerKind kind))
                      #'take (lambda (_) (take nil))))))))

(defun foretoken--schedule ()
  "Asks after a moment without keys."
  (foretoken--cancel)
  (let ((buffer (current-buffer)))
    (setq foretoken--timer
          (run-with-timer foretoken-delay nil
                          (lambda ()
                            (when (buffer-live-p buffer)
                              (with-current-buffer buffer
                                (setq foretoken--timer nil)
                                (unless foretoken--visible (foretoken--ask 2)))))))))

(defun foretoken--after-command ()
  "Keeps what still fits, asks where text was typed, takes the rest away."
  (let* ((tick (buffer-chars-modified-tick))
         (is-edit (not (eql tick foretoken--tick))))
    (setq foretoken--tick tick)
    (cond ((and foretoken--current (foretoken--draw)) (when is-edit (foretoken--cancel)))
          ((and is-edit (not (memq this-command '(undo undo-only undo-redo))) (not buffer-read-only))
           (foretoken--schedule))
          ((not (memq this-command '(foretoken-complete foretoken-next)))
           (foretoken--clear)
           (foretoken--cancel)))))

;;; Commands

(defun foretoken--accept (part)
  "Inserts the beginning of what is left that the function PART chooses.
Undo takes it back in one step."
  (let ((rest (foretoken--rest)))
    (unless rest (user-error "Nothing is suggested here"))
    (let* ((current foretoken--current)
           (item (nth (foretoken--suggestion-index current) (foretoken--suggestion-items current)))
           (piece (funcall part rest))
           (is-whole (string= piece rest)))
      (undo-boundary)
      (when is-whole (delete-char (foretoken--suggestion-dropped current)))
      (insert piece)
      (undo-boundary)
      (if is-whole
          (progn (foretoken--clear) (foretoken--execute (plist-get (cdr item) :command)))
        (let ((taken (substring (car item) 0 (- (length (car item)) (- (length rest) (length piece))))))
          (foretoken--tell :textDocument/didPartiallyAcceptCompletion
                           (list :item (cdr item) :acceptedLength (foretoken--units taken))))))))

(defun foretoken-accept () "Accept the whole suggestion." (interactive) (foretoken--accept #'identity))
(defun foretoken-accept-word () "Accept its next word." (interactive) (foretoken--accept #'foretoken--word-of))
(defun foretoken-accept-line () "Accept its next line." (interactive) (foretoken--accept #'foretoken--line-of))

(defun foretoken-next ()
  "Show another suggestion; asks for several where there is one."
  (interactive)
  (if (and foretoken--current (cdr (foretoken--suggestion-items foretoken--current)))
      (progn (foretoken--turn (foretoken--rest)) (foretoken--draw))
    (foretoken--ask 1)))

(defun foretoken-complete () "Ask for suggestions now." (interactive) (foretoken--ask 1))

(defun foretoken-dismiss ()
  "Take the suggestion away until the text changes."
  (interactive)
  (foretoken--clear)
  (foretoken--cancel))

(defun foretoken-snooze (minutes)
  "Suggest nothing for MINUTES; 0 ends it."
  (interactive "nMinutes: ")
  (foretoken-dismiss)
  (foretoken--execute (list :command "foretoken.snooze" :arguments (vector minutes))))

;;;###autoload
(define-minor-mode foretoken-mode
  "Shows inline completions while you type."
  :lighter " Foretoken"
  (if (and foretoken-mode buffer-file-name)
      (progn
        (setq foretoken--tick (buffer-chars-modified-tick))
        (add-hook 'post-command-hook #'foretoken--after-command nil t)
        (add-hook 'after-save-hook #'foretoken--saved nil t)
        (add-hook 'kill-buffer-hook #'foretoken--closed nil t)
        (condition-case problem
            (when-let ((server (foretoken--server-here)))
              (when (and (foretoken--connection-p server) (foretoken--connection-ready server))
                (foretoken--synchronize server)))
          (error (setq foretoken-mode nil)
                 (message "Foretoken: %s; see foretoken-command" (error-message-string problem)))))
    (setq foretoken-mode nil)
    (remove-hook 'post-command-hook #'foretoken--after-command t)
    (remove-hook 'after-save-hook #'foretoken--saved t)
    (remove-hook 'kill-buffer-hook #'foretoken--closed t)
    (foretoken-dismiss)
    (foretoken--closed)))

(defun foretoken--turn-on ()
  "Turns `foretoken-mode' on in buffers with a file and a programming or text mode."
  (when (and buffer-file-name (derived-mode-p 'prog-mode 'text-mode 'conf-mode))
    (foretoken-mode 1)))

;;;###autoload
(define-globalized-minor-mode foretoken-global-mode foretoken-mode foretoken--turn-on)

(provide 'foretoken)
;;; foretoken.el ends here
