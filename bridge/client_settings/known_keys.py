"""The keys of Claude Code's managed settings, and what each takes. Pure.

As Claude Code 2.1.332 reads them. It passes over what it does not know without a word, so a key
that is misspelled would do nothing, and nobody would hear of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ValueKind:
    """What a key takes, in words and as a condition on the decoded JSON value."""

    expected: str
    fits: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and (isinstance(value, int) or value.is_integer())


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_map_of_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


TEXT = ValueKind("a string", lambda value: isinstance(value, str))
FLAG = ValueKind("true or false", lambda value: isinstance(value, bool))
WHOLE = ValueKind("a whole number", _is_whole)
NUMBER = ValueKind("a number", _is_number)
TEXTS = ValueKind("a list of strings", _is_list_of_texts)
LIST = ValueKind("a list", lambda value: isinstance(value, list))
TEXT_MAP = ValueKind("an object whose values are strings", _is_map_of_texts)
OBJECT = ValueKind("an object", lambda value: isinstance(value, dict))
ANYTHING = ValueKind("anything", lambda value: True)


def one_of(words: tuple[str, ...]) -> ValueKind:
    return ValueKind(f"one of {', '.join(words)}", lambda value: value in words)


_OF_KIND: Mapping[ValueKind, str] = {
    TEXT: """
        $schema advisorModel agent apiKeyHelper attributionProject autoMemoryDirectory
        awsAuthRefresh awsCredentialExport claudeMd crossSessionInbound
        desktopMcpServersListScope downloadsMirrorUrl editorMode forceLoginGatewayUrl
        gcpAuthRefresh language maxEffortLevel minimumVersion model modelCatalogPublicKey
        modelCatalogUrl modelProposedGoals otelHeadersHelper outputStyle plansDirectory
        pluginTrustMessage preferredNotifChannel processWrapper promptCacheTtl
        proxyAuthHelper prUrlTemplate requiredMaximumVersion requiredMinimumVersion
        subagentPromptCacheTtl teammateMode theme timeFormat timeZone
    """,
    FLAG: """
        agentPushNotifEnabled allowAllClaudeAiMcps allowClaudeInChromeWithManagedMcp
        allowManagedHooksOnly allowManagedMcpServersOnly allowManagedPermissionRulesOnly
        allowNestedModelAccessUnderForceLogin alwaysThinkingEnabled autoCompactEnabled
        autoCompactRaisedForLoad autoContinueAtUsageLimit autoDreamEnabled autoMemoryEnabled
        autoScrollEnabled autoUploadSessions awaySummaryEnabled axScreenReader
        bashEditDiffEnabled channelsEnabled clawdFileProgressEnabled disableAgentView
        disableAllHooks disableArtifact disableBundledSkills disableClaudeAiConnectors
        disableCommandPluginSources disableDirectMcpSkills disableRemoteControl
        disableReplyCheck disableSideloadFlags disableSkillShellExecution
        disableWindowsBashCommandSplit disableWorkflows doneMeansMerged
        emojiCompletionEnabled enableAllProjectMcpServers enableArtifact enableWorkflows
        enforceAvailableModels fastMode fastModePerSessionOptIn fileCheckpointingEnabled
        forceRemoteSettingsRefresh idleCompaction includeCoAuthoredBy includeGitInstructions
        inputNeededNotifEnabled isolatePeerMachines precomputeCompactionEnabled
        prefersReducedMotion promptSuggestionEnabled remoteControlAtStartup respectGitignore
        respondToBashCommands responseComparisonEnabled showClearContextOnPlanAccept
        showMessageTimestamps showThinkingSummaries showTurnDuration
        skipAutoPermissionPrompt skipDangerousModePermissionPrompt skipWebFetchPreflight
        skipWorkflowUsageWarning spinnerTipsEnabled switchModelsOnFlag syncClaudeAiPlugins
        syncClaudeAiSkills syntaxHighlightingDisabled terminalProgressBarEnabled
        terminalTitleFromRename todoFeatureEnabled totalTokensReminderAfterUserTurn
        ultracode useAutoModeDuringPlan verbose voiceEnabled wheelScrollAccelerationEnabled
        workflowKeywordTriggerEnabled wslInheritsWindowsSettings
    """,
    WHOLE: """
        bashOutputMaxChars cleanupPeriodDays desktopSessionCleanupPeriodDays maxProseWidth
        precomputeArmTokens skillListingMaxDescChars taskOutputMaxChars
        totalTokensReminderBudget
    """,
    NUMBER: """
        feedbackSurveyRate skillListingBudgetFraction
    """,
    TEXTS: """
        allowedHttpHookUrls allowedProviders appendPlugins availableModels claudeMdExcludes
        companyAnnouncements deniedModels disabledMcpjsonServers enabledMcpjsonServers
        fallbackModel gatewayInternalNetworks httpHookAllowedEnvVars
        pluginSuggestionMarketplaces prependPlugins
    """,
    LIST: """
        allowedChannelPlugins allowedMarketplaces allowedMcpServers blockedMarketplaces
        deniedMcpServers footerLinksRegexes sshConfigs sshHostCommands
        strictKnownMarketplaces
    """,
    TEXT_MAP: """
        additionalDirectoryConfigRoots env modelOverrides skillOverrides
    """,
    OBJECT: """
        additionalMarketplaces attribution attributionProjectPolicy autoCompactOfferAnswer
        autoMode breakReminder enabledPlugins extraKnownMarketplaces fileSuggestion hooks
        managedMcpServers modelPicker modelPricing modelSettings permissions pluginConfigs
        policyHelper policyHelpers quietHours remote remoteControl remoteTools sandbox
        spellcheck spinnerTipsOverride spinnerVerbs statusLine subagentStatusLine
        vimInsertModeRemaps voice worktree
    """,
    ANYTHING: """
        autoCompactWindow forceLoginOrgUUID strictPluginOnlyCustomization
    """,
}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "askUserQuestionTimeout": ("60s", "5m", "10m", "never"),
    "autoUpdatesChannel": ("latest", "stable", "rc"),
    "availableModelsMatch": ("prefix", "exact"),
    "daemonColdStart": ("transient", "ask"),
    "defaultShell": ("bash", "powershell"),
    "defaultView": ("chat", "transcript"),
    "dialogExpiry": ("60s", "5m", "10m", "never"),
    "disableAutoMode": ("disable",),
    "disableDeepLinkRegistration": ("disable",),
    "effortLevel": ("low", "medium", "high", "xhigh"),
    "feedbackDrafts": ("notify", "quiet", "off"),
    "forceLoginMethod": ("claudeai", "console", "gateway"),
    "keybindingFlavor": ("classic", "readline"),
    "managedSourcesBehavior": ("first-wins", "merge"),
    "parentSettingsBehavior": ("first-wins", "merge"),
    "remoteMessageReceipts": ("on", "always", "off"),
    "totalTokensReminder": ("off", "infinite", "fixed", "countdown", "padded-countdown"),
    "tui": ("default", "fullscreen"),
    "viewMode": ("default", "verbose", "focus"),
    "workflowSizeGuideline": ("unrestricted", "small", "medium", "large"),
}

KEYS: Mapping[str, ValueKind] = {
    **{name: kind for kind, names in _OF_KIND.items() for name in names.split()},
    **{name: one_of(words) for name, words in _CHOICES.items()},
}
PERMISSIONS: Mapping[str, ValueKind] = {
    "allow": TEXTS,
    "deny": TEXTS,
    "ask": TEXTS,
    "additionalDirectories": TEXTS,
    "defaultMode": TEXT,
    "disableBypassPermissionsMode": one_of(("disable",)),
}
"""What is known of the members of `permissions`; others pass."""
INSTEAD: Mapping[str, str] = {
    "mcpServers": "managedMcpServers",
    "allowedTools": "permissions.allow",
    "disallowedTools": "permissions.deny",
    "environment": "env",
}
"""Names from other places that people write, and what managed settings have for them."""
